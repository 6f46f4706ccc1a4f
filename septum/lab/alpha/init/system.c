/* The kernel's offers and a few words of C, by hand. */
#include "system.h"

s64 call(enum call wanted, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 result __asm__("$0") = wanted;
	register u64 a0 __asm__("$16") = a;
	register u64 a1 __asm__("$17") = b;
	register u64 a2 __asm__("$18") = c;
	register u64 failed __asm__("$19") = d;
	register u64 a4 __asm__("$20") = e;
	register u64 a5 __asm__("$21") = f;

	__asm__ volatile("call_pal 0x83" /* callsys */
			 : "+r"(result), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(failed), "+r"(a4),
			   "+r"(a5)
			 :
			 : "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$22", "$23", "$24",
			   "$25", "$27", "$28", "memory");
	return failed ? -(s64)result : (s64)result;
}

void *memcpy(void *to, const void *from, u64 size)
{
	u8 *target = to;
	const u8 *source = from;

	while (size--)
		*target++ = *source++;
	return to;
}

void *memset(void *to, int value, u64 size)
{
	u8 *target = to;

	while (size--)
		*target++ = value;
	return to;
}

u64 length(const char *words)
{
	u64 count = 0;

	while (words[count])
		count++;
	return count;
}

int begins(const char *words, const char *with)
{
	while (*with)
		if (*words++ != *with++)
			return 0;
	return 1;
}

int same(const char *one, const char *other)
{
	return begins(one, other) && length(one) == length(other);
}

char *append(char *to, const char *words)
{
	while (*words)
		*to++ = *words++;
	*to = 0;
	return to;
}

/* The processor has no division, and the routine the compiler would call is the C library's. */
u64 quotient(u64 value, u64 by, u64 *rest)
{
	u64 result = 0, left = 0;
	int bit;

	for (bit = 63; bit >= 0; bit--) {
		left = left << 1 | (value >> bit & 1);
		result <<= 1;
		if (left >= by) {
			left -= by;
			result |= 1;
		}
	}
	if (rest)
		*rest = left;
	return result;
}

/* A line is written whole: lines of several processes do not mix, and it costs one call. */
static char line[512];
static char *at = line;

void text(const char *words)
{
	while (*words && at < line + sizeof line - 2)
		*at++ = *words++;
}

void say(const char *key)
{
	at = line;
	text("septum: ");
	text(key);
}

void end(void)
{
	*at++ = '\n';
	CALL3(CALL_WRITE, 1, line, at - line);
	at = line;
}

void number(s64 value)
{
	char digits[24], *first = digits + sizeof digits - 1;
	u64 left = value < 0 ? -(u64)value : (u64)value, digit;

	*first = 0;
	do {
		left = quotient(left, 10, &digit);
		*--first = '0' + digit;
	} while (left);
	if (value < 0)
		*--first = '-';
	text(" ");
	text(first);
}

void hexadecimal(u64 value, int digits)
{
	char one[2] = {0, 0};

	while (digits--) {
		one[0] = "0123456789abcdef"[value >> 4 * digits & 15];
		text(one);
	}
}

s64 contents(const char *path, char *to, u64 size)
{
	s64 file = CALL3(CALL_OPEN, path, READ_ONLY, 0), count = 0, more = 1;

	to[0] = 0;
	if (file < 0)
		return file;
	while (more > 0 && (u64)count < size - 1) {
		more = CALL3(CALL_READ, file, to + count, size - 1 - count);
		if (more > 0)
			count += more;
	}
	CALL1(CALL_CLOSE, file);
	while (count && (u8)to[count - 1] <= ' ')
		count--;
	to[count] = 0;
	return count;
}

u64 parsed(const char *words)
{
	return begins(words, "0x") ? parsed_as(words + 2, 16) : parsed_as(words, 10);
}

u64 parsed_as(const char *words, u64 base)
{
	u64 value = 0, digit;

	for (;; words++) {
		if (*words >= '0' && *words <= '9')
			digit = *words - '0';
		else if (base == 16 && *words >= 'a' && *words <= 'f')
			digit = *words - 'a' + 10;
		else
			return value;
		value = value * base + digit;
	}
}

const char *parameter(const char *key, char *to, u64 size, const char *otherwise)
{
	static char words[1024];
	char *from, *target = to;

	contents("/proc/cmdline", words, sizeof words);
	for (from = words; *from; from++) {
		if ((from != words && from[-1] != ' ') || !begins(from, key))
			continue;
		from += length(key);
		if (*from++ != '=')
			continue;
		while (*from && *from != ' ' && (u64)(target - to) < size - 1)
			*target++ = *from++;
		*target = 0;
		return to;
	}
	append(to, otherwise);
	return to;
}

#define MOST_NAMES 64
#define LONGEST_NAME 32

static void sort(char names[][LONGEST_NAME], int count)
{
	char held[LONGEST_NAME];
	int first, other, place;

	for (first = 0; first < count; first++)
		for (other = first + 1; other < count; other++) {
			for (place = 0; names[other][place] == names[first][place]; place++)
				if (!names[first][place])
					break;
			if (names[other][place] >= names[first][place])
				continue;
			memcpy(held, names[first], sizeof held);
			memcpy(names[first], names[other], sizeof held);
			memcpy(names[other], held, sizeof held);
		}
}

void each_name(const char *folder, void (*with)(const char *, const char *))
{
	char entries[2048], names[MOST_NAMES][LONGEST_NAME], *name;
	s64 file = CALL3(CALL_OPEN, folder, READ_ONLY, 0), size, place;
	int count = 0, each;

	if (file < 0)
		return;
	while ((size = CALL3(CALL_GETDENTS, file, entries, sizeof entries)) > 0)
		for (place = 0; place < size; place += *(u16 *)(entries + place + 16)) {
			name = entries + place + 19; /* struct linux_dirent64: d_name */
			if (*name != '.' && count < MOST_NAMES && length(name) < LONGEST_NAME)
				append(names[count++], name);
		}
	CALL1(CALL_CLOSE, file);
	sort(names, count);
	for (each = 0; each < count; each++)
		with(folder, names[each]);
}

struct moment { s64 seconds, nanoseconds; };

u64 nanoseconds(void)
{
	struct moment now = {0, 0};

	CALL2(CALL_CLOCK, 1, &now); /* CLOCK_MONOTONIC */
	return now.seconds * 1000000000 + now.nanoseconds;
}

void sleep_for(u64 milliseconds)
{
	struct moment span;
	u64 rest;

	span.seconds = quotient(milliseconds, 1000, &rest);
	span.nanoseconds = rest * 1000000;
	CALL2(CALL_NANOSLEEP, &span, 0);
}
