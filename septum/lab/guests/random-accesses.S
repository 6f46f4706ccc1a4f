# Make ACCESSES random accesses of the given KINDS, and be alive. The same SEED makes the same ones.
#
# Each access is of 1, 2, 4 or (memory) 8 bytes, a read or a write, aligned or not. After every
# eighth part it says how many there were: what it writes to its own function may well end it.
# An NMI does not: the interrupt messages of its own function can be NMIs.
        .include "board.inc"
        .ifndef SEED
        .set    SEED, 1
        .endif
        .ifndef ACCESSES
        .set    ACCESSES, 10000
        .endif
        .set    PORTS, 1
        .set    MECHANISM_1, 2          # configuration space by ports
        .set    ECAM, 4                 # and by memory: buses 0 to 7
        .set    WINDOW, 8               # all that is below 4 GiB and no memory
        .set    OWN, 16                 # the registers of its own function
        .ifndef KINDS
        .set    KINDS, PORTS | MECHANISM_1 | ECAM | WINDOW
        .endif
        .ifndef ECAM_BASE
        .set    ECAM_BASE, 0xb0000000
        .endif
        .ifndef OWN_BASE
        .set    OWN_BASE, ECAM_BASE
        .endif
        .ifndef OWN_SIZE                # a power of two
        .set    OWN_SIZE, 0x1000
        .endif
        .set    PARTS, 8
_start:
        say     hello
        lea     nmi(%rip), %rax         # a gate for vector 2: AMD64 APM 2, 8.9.1
        lea     gates+32(%rip), %rbx
        mov     %ax, (%rbx)
        mov     %cs, 2(%rbx)
        movw    $0x8e00, 4(%rbx)        # present, interrupt gate
        shr     $16, %rax
        mov     %ax, 6(%rbx)
        lea     gates(%rip), %rax
        mov     %rax, table+2(%rip)
        lidt    table(%rip)
        movabs  $SEED * 0x9e3779b97f4a7c15 + 0x1234567890abcdf, %r12
        xor     %r14d, %r14d            # accesses so far
        xor     %r15d, %r15d            # reads that found something
part:
        mov     $ACCESSES / PARTS, %r13d
next:
        call    random
        mov     %rax, %rbx              # all that this access needs is in here
        mov     %ebx, %ecx
        and     $7, %ecx
        cmp     $4, %ecx
        ja      next
        mov     $KINDS, %eax
        bt      %ecx, %eax
        jnc     next
        mov     %rbx, %rbp
        shr     $8, %rbp                # 24 bits: where; above them: how, and what is written
        cmp     $1, %ecx
        jb      ports
        je      mechanism
        cmp     $3, %ecx
        jb      ecam
        je      window
own:
        mov     %ebp, %edi
        and     $OWN_SIZE - 1, %edi
        mov     $OWN_BASE, %eax
        add     %rax, %rdi
        jmp     memory
ecam:
        mov     %ebp, %edi
        and     $0x7fffff, %edi
        mov     $ECAM_BASE, %eax
        add     %rax, %rdi
        jmp     memory
window:
        call    random
        mov     %eax, %edi
        mov     $ECAM_BASE, %eax
        cmp     %rax, %rdi
        jb      window
        mov     $0xfebffff8, %eax       # from there on: IO APIC, local APIC, the reset vector
        cmp     %rax, %rdi
        ja      window
memory:
        mov     %rbx, %rcx
        shr     $32, %rcx
        and     $7, %ecx
        lea     widths(%rip), %rdx
        movslq  (%rdx,%rcx,4), %rcx
        add     %rdx, %rcx
        mov     $-1, %rax
        jmp     *%rcx
read_1: mov     (%rdi), %al
        jmp     looked
read_2: mov     (%rdi), %ax
        jmp     looked
read_4: mov     (%rdi), %eax
        cmp     $-1, %eax
        je      done
        jmp     found
read_8: mov     (%rdi), %rax
looked: cmp     $-1, %rax
        je      done
found:  inc     %r15
        jmp     done
write_1: mov    %bpl, (%rdi)
        jmp     done
write_2: mov    %bp, (%rdi)
        jmp     done
write_4: mov    %ebp, (%rdi)
        jmp     done
write_8: mov    %rbx, (%rdi)
        jmp     done
widths: .long   read_1 - widths, read_2 - widths, read_4 - widths, read_8 - widths
        .long   write_1 - widths, write_2 - widths, write_4 - widths, write_8 - widths

mechanism:                              # seven of eight on bus 0, where most is
        mov     %ebp, %eax
        and     $0x0007fffc, %eax
        test    $0x00700000, %ebp
        jz      1f
        and     $0x0000fffc, %eax
1:      or      $0x80000000, %eax
        mov     $CONFIG_ADDRESS, %edx
        out     %eax, %dx
        mov     %ebx, %edx
        shr     $4, %edx
        and     $3, %edx
        add     $CONFIG_DATA, %edx
        jmp     in_or_out
ports:
        movzwl  %bp, %edx
        lea     avoided(%rip), %rsi
1:      lodsw
        movzwl  %ax, %ecx
        lodsw
        test    %ecx, %ecx
        jz      in_or_out
        cmp     %cx, %dx
        jb      1b
        cmp     %ax, %dx
        ja      1b
        jmp     next
in_or_out:
        mov     %rbx, %rcx
        shr     $32, %rcx
        and     $7, %ecx
        lea     ways(%rip), %rsi
        movslq  (%rsi,%rcx,4), %rcx
        add     %rsi, %rcx
        mov     $-1, %eax
        jmp     *%rcx
in_1:   in      %dx, %al
        jmp     heard
in_2:   in      %dx, %ax
        jmp     heard
in_4:   in      %dx, %eax
heard:  cmp     $-1, %eax
        je      done
        inc     %r15
        jmp     done
out_1:  mov     %ebp, %eax
        out     %al, %dx
        jmp     done
out_2:  mov     %ebp, %eax
        out     %ax, %dx
        jmp     done
out_4:  mov     %ebp, %eax
        out     %eax, %dx
done:
        inc     %r14
        dec     %r13d
        jnz     next
        say     so_far
        mov     %r14, %rax
        say_hex
        mov     $ACCESSES / PARTS * PARTS, %eax
        cmp     %rax, %r14
        jb      part
        say     answered
        mov     %r15, %rax
        say_hex
        say     alive
        power_off
ways:   .long   in_1 - ways, in_2 - ways, in_4 - ways, in_4 - ways
        .long   out_1 - ways, out_2 - ways, out_4 - ways, out_4 - ways

random:                                 # xorshift64 (Marsaglia, 2003): R12 is its state
        mov     %r12, %rax
        shl     $13, %rax
        xor     %rax, %r12
        mov     %r12, %rax
        shr     $7, %rax
        xor     %rax, %r12
        mov     %r12, %rax
        shl     $17, %rax
        xor     %rax, %r12
        mov     %r12, %rax
        ret

nmi:    iretq

        .balign 16
gates:  .fill   48
table:  .word   47
        .quad   0

# Ports that end the guest or speak on its console, each with three before it: an access is of up
# to four bytes. First, last.
avoided: .word  0x005d, 0x0064          # keyboard controller: reset
        .word   0x008f, 0x0092          # port 92h: reset
        .word   0x03f5, 0x03ff          # its serial port
        .word   0x05fd, 0x0640          # power management
        .word   0x0cf5, 0x0cff          # configuration, and the reset register
        .word   0, 0
hello:    .asciz "random-accesses: begins\n"
so_far:   .asciz "random-accesses: so far "
answered: .asciz "random-accesses: answered "
alive:    .asciz "random-accesses: alive\n"
