# Write all ones and then zeros to each configuration register of every function of buses 0 to 3,
# and count the functions that answer, by mechanism #1. A function nobody shows must read all ones
# after that too.
        .include "board.inc"
_start:
        say     hello
        xor     %r8d, %r8d              # bus, device, function: as CONFIG_ADDRESS bits 8 to 23
        xor     %r9d, %r9d              # functions that answer
function:
        mov     %r8d, %ebx
        shl     $8, %ebx
        or      $0x80000000, %ebx       # enable
        call    identity
        cmp     $-1, %eax
        je      absent
        inc     %r9d
        xor     %r10d, %r10d            # the register
register:
        mov     %ebx, %eax
        or      %r10d, %eax
        mov     $CONFIG_ADDRESS, %edx
        out     %eax, %dx
        mov     $CONFIG_DATA, %edx
        mov     $-1, %eax
        out     %eax, %dx
        xor     %eax, %eax
        out     %eax, %dx
        add     $4, %r10d
        cmp     $0x100, %r10d
        jb      register
        jmp     after
absent:                                 # writes to it must not make it appear
        mov     $CONFIG_DATA, %edx
        xor     %eax, %eax
        out     %eax, %dx
        call    identity
        cmp     $-1, %eax
        je      after
        say     appeared
after:
        inc     %r8d
        cmp     $0x400, %r8d            # four buses of 256 functions
        jb      function
        say     answered
        mov     %r9, %rax
        say_hex
        say     done
        power_off

identity:                               # EBX the address; the first register in EAX
        mov     %ebx, %eax
        mov     $CONFIG_ADDRESS, %edx
        out     %eax, %dx
        mov     $CONFIG_DATA, %edx
        in      %dx, %eax
        ret
hello:    .asciz "every-function: begins\n"
appeared: .asciz "every-function: FAILED, a concealed function appeared\n"
answered: .asciz "every-function: answered "
done:     .asciz "every-function: alive\n"
