/* Do processes, faults and floating point work as the architecture has them? */
#include "system.h"
#include "tasks.h"

enum { BIG = 1 << 20, PAGE = 8192 };
static volatile s64 kept = 1;
static volatile u8 pages[BIG];

s64 begin_child(void (*act)(void))
{
	s64 child = CALL0(CALL_FORK);

	if (child == 0) {
		act();
		CALL1(CALL_EXIT, 0);
	}
	return child;
}

int in_child(void (*act)(void))
{
	return end_child(begin_child(act));
}

int end_child(s64 child)
{
	u32 status = 0;

	call(CALL_WAIT, child, (u64)&status, 0, 0, 0, 0);
	return status & 127 ? 1000 + (status & 127) : (status >> 8 & 255);
}

static void changes_its_copy(void)
{
	u64 at;

	for (at = 0; at < BIG; at += 2 * PAGE)
		pages[at]++;
	kept = 42;
	CALL1(CALL_EXIT, pages[2 * PAGE] == 3 && kept == 42 ? 7 : 8);
}

void processes(void)
{
	u64 at, began, sum = 0, rest;
	int code;

	for (at = 0; at < BIG; at += PAGE)
		pages[at] = at / PAGE;
	code = in_child(changes_its_copy);
	for (at = 0; at < BIG; at += PAGE)
		sum += pages[at];
	say("fork");
	number(code);
	number(kept);
	number(sum);
	end();
	began = nanoseconds();
	sleep_for(50);
	began = quotient(nanoseconds() - began, 1000000, &rest);
	say("slept_50_ms ");
	text(began >= 50 && began < 500 ? "yes" : "no");
	end();
}

/* Each ends its child by a signal, or exits with 0 when nothing stopped it. */
static void reads_kernel(void)
{
	*(volatile u64 *)0xfffffc0000000000; /* the first physical page, through KSEG */
}

static void reads_nothing(void)
{
	*(volatile u64 *)0x7ff00000000;
}

static void writes_its_code(void)
{
	*(volatile u32 *)(void *)writes_its_code = 0;
}

static void is_privileged(void)
{
	__asm__ volatile("lda $16, 7($31)\n\tcall_pal 0x35" ::: "$0", "$1", "$16", "$22", "$23",
			 "$24", "$25"); /* swpipl: interrupts off */
}

static void is_reserved(void)
{
	__asm__ volatile(".long 0x1c000fe0" ::: "memory"); /* opcode 07 hexadecimal: reserved */
}

static void jumps_away(void)
{
	((void (*)(void))0x7ff00000000)();
}

static void breaks(void)
{
	__asm__ volatile("call_pal 0x80" ::: "memory"); /* bpt */
}

static void divides_by_zero(void)
{
	__asm__ volatile("cpys $f31, $f31, $f1\n\tdivt $f1, $f1, $f2\n\ttrapb" ::: "$f1", "$f2");
}

/* Not a fault: the kernel completes an access that is not aligned. */
static void is_unaligned(void)
{
	static u64 words[3];
	volatile u64 *odd = (u64 *)((u8 *)words + 3);

	*odd = 0x0123456789abcdefUL;
	CALL1(CALL_EXIT, *odd == 0x0123456789abcdefUL && words[0] == 0x6789abcdef000000UL ? 5 : 6);
}

static const struct fault {
	const char *name;
	void (*act)(void);
} all_faults[] = {
	{"kernel_memory", reads_kernel},
	{"no_memory", reads_nothing},
	{"code_written", writes_its_code},
	{"privileged_call", is_privileged},
	{"reserved_instruction", is_reserved},
	{"jump_to_nowhere", jumps_away},
	{"breakpoint", breaks},
	{"division_by_zero", divides_by_zero},
	{"unaligned", is_unaligned},
};

void faults(void)
{
	const struct fault *fault;
	int code;

	for (fault = all_faults; fault < all_faults + sizeof all_faults / sizeof *all_faults; fault++) {
		code = in_child(fault->act);
		say("fault ");
		text(fault->name);
		text(code >= 1000 ? " signal" : " exit");
		number(code >= 1000 ? code - 1000 : code);
		end();
	}
}

static void bits(const char *name, double value)
{
	union { double value; u64 bits; } seen = {value};

	text(" ");
	text(name);
	text(" ");
	hexadecimal(seen.bits, 16);
}

/* Results of arithmetic, bit for bit; the last ones need the kernel's completion on silicon. */
void floating(void)
{
	volatile double sum = 0, one = 1, zero = 0, smallest = 2.2250738585072014e-308, two = 2;
	volatile float single = 1;
	volatile s64 whole = 0;
	int k;

	for (k = 1; k <= 200; k++) {
		sum = sum + one / k;
		single = single * 1.01f;
	}
	whole = (s64)(sum * 1e15);
	say("float");
	bits("harmonic", sum);
	bits("root", __builtin_sqrt(two));
	bits("single", single);
	number(whole);
	end();
	say("float");
	bits("denormal", smallest / 4);
	bits("back", smallest / 4 * 4);
	bits("infinity", one / zero);
	end();
	say("float ");
	text(zero / zero != zero / zero ? "nan" : "not-nan");
	text(two > one && !(two < one) && one != zero ? " ordered" : " unordered");
	end();
}
