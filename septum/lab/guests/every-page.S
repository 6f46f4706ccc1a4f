# Read from the second MiB up to 4 GiB in steps of 1 MiB what is not this guest's own memory, then
# write it. Nothing may answer there but all ones.
#
# The guest knows where its memory ends from its memory map, as any kernel does.
        .include "board.inc"
        .set    E820_ENTRIES, 0x1e8     # zero-page.rst
        .set    E820_TABLE, 0x2d0
        .set    LOCAL_APIC, 0xfee00000  # KVM's own devices answer here
        .set    IO_APIC, 0xfec00000
_start:
        mov     %rsi, %r15
        say     hello
        movzbl  E820_ENTRIES(%r15), %ecx
        lea     E820_TABLE(%r15), %rbx
        xor     %r8d, %r8d              # the end of usable memory below 4 GiB
entry:
        cmpl    $1, 16(%rbx)            # usable
        jne     1f
        mov     (%rbx), %rax
        add     8(%rbx), %rax
        mov     %rax, %rdx
        shr     $32, %rdx
        jnz     1f
        cmp     %rax, %r8
        cmovb   %rax, %r8
1:      add     $20, %rbx
        loop    entry
        add     $0xfffff, %r8           # to the next MiB
        and     $-0x100000, %r8
        xor     %r9d, %r9d              # pages that answered
page:
        mov     $IO_APIC, %eax
        cmp     %rax, %r8
        je      2f
        mov     $LOCAL_APIC, %eax
        cmp     %rax, %r8
        je      2f
        mov     (%r8), %rax
        cmp     $-1, %rax
        je      3f
        mov     (%r8), %eax             # configuration space is read in dwords
        cmp     $-1, %eax
        je      3f
        inc     %r9
        say     there
        mov     %r8, %rax
        say_hex
        jmp     2f
3:      movq    $0, (%r8)
2:      add     $0x100000, %r8
        mov     %r8, %rax
        shr     $32, %rax
        jz      page
        say     answered
        mov     %r9, %rax
        say_hex
        say     done
        power_off
hello:    .asciz "every-page: begins\n"
there:    .asciz "every-page: answered at "
answered: .asciz "every-page: answered in all "
done:     .asciz "every-page: alive\n"
