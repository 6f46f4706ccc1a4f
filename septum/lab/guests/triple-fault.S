# No interrupt table, then an interrupt: three faults, one in another.
        .include "board.inc"
_start:
        say     hello
        lidt    nothing(%rip)
        int3
        say     still_here
        power_off
hello:      .asciz "triple-fault: about to\n"
still_here: .asciz "triple-fault: FAILED, still here\n"
nothing:    .word 0
            .quad 0
