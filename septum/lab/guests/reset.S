# Ask for a reset through the FADT's reset register.
        .include "board.inc"
_start:
        say     hello
        mov     $0xcf9, %edx
        mov     $6, %al
        out     %al, %dx
1:      hlt
        jmp     1b
hello:  .asciz "reset: about to\n"
