/* Where the kernel enters the program: the stack pointer is its only argument. */
	.globl	_start
	.ent	_start
_start:
	.frame	$30, 0, $26
	br	$27, 1f
1:	ldgp	$29, 0($27)
	lda	$30, -64($30)
	jsr	$26, begin
2:	br	$31, 2b
	.end	_start
	.section .note.GNU-stack, "", @progbits
