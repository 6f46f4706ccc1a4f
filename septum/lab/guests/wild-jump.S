# Jump to where there is no memory: the instruction fetch reaches nothing.
        .include "board.inc"
_start:
        say     hello
        mov     $0xd0000000, %eax
        jmp     *%rax
hello:  .asciz "wild-jump: about to\n"
