# Read every port in three widths, write all ones to every port in three widths, and be alive.
#
# All ones switch nothing off: the reset register wants 6, the keyboard controller 0xfe, PM1 control
# another sleep type.
        .include "board.inc"
_start:
        say     hello
        xor     %edi, %edi              # the port
next:
        mov     %edi, %edx
        in      %dx, %al
        in      %dx, %ax
        in      %dx, %eax
        mov     $-1, %eax
        cmp     $SERIAL, %edi           # its registers would say so much on the console
        jb      write
        cmp     $SERIAL + 8, %edi
        jb      skip
write:
        out     %al, %dx
        out     %ax, %dx
        out     %eax, %dx
skip:
        add     stride(%rip), %edi
        cmp     $0x10000, %edi
        jb      next
        say     done
        power_off
        .ifndef STRIDE
        .set    STRIDE, 1
        .endif
stride: .long   STRIDE
hello:  .asciz "every-port: begins\n"
done:   .asciz "every-port: alive\n"
