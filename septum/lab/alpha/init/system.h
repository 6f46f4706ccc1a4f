/* What the kernel offers, without a C library: system calls, text, files.
 *
 * Numbers of system calls: Linux, arch/alpha/kernel/syscalls/syscall.tbl.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

enum call {
	CALL_EXIT = 1, CALL_FORK = 2, CALL_READ = 3, CALL_WRITE = 4, CALL_CLOSE = 6,
	CALL_SEEK = 19, CALL_OPEN = 45, CALL_IOCTL = 54, CALL_MMAP = 71, CALL_POLL = 94,
	CALL_FSYNC = 95, CALL_SOCKET = 97, CALL_RECEIVE = 125, CALL_SEND = 133,
	CALL_MKDIR = 136, CALL_MOUNT = 302, CALL_REBOOT = 311, CALL_UNAME = 339,
	CALL_NANOSLEEP = 340, CALL_WAIT = 365, CALL_GETDENTS = 377, CALL_CLOCK = 420,
};

enum open_mode { READ_ONLY = 0, WRITE_ONLY = 1, READ_WRITE = 2 };

/* The result, or minus the error number. */
s64 call(enum call number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);

#define CALL0(n) call(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a) call(n, (u64)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) call(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) call(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define CALL5(n, a, b, c, d, e) call(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0)
#define CALL6(n, a, b, c, d, e, f) \
	call(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

void *memcpy(void *to, const void *from, u64 size);
void *memset(void *to, int value, u64 size);
u64 length(const char *text);
int same(const char *one, const char *other);
int begins(const char *text, const char *with);
char *append(char *to, const char *text); /* where the text ends now */
u64 quotient(u64 value, u64 by, u64 *rest);

/* Parts of a line; say() begins one with "septum: KEY", end() ends it. */
void say(const char *key);
void text(const char *words);
void number(s64 value);
void hexadecimal(u64 value, int digits);
void end(void);

/* A file's first bytes as text; minus the error number. Trailing white space is cut. */
s64 contents(const char *path, char *to, u64 size);
u64 parsed(const char *text); /* decimal, or hexadecimal after 0x */
u64 parsed_as(const char *text, u64 base);
/* The value after "KEY=" of the kernel's command line, or `otherwise`. */
const char *parameter(const char *key, char *to, u64 size, const char *otherwise);
/* Calls `with` for each name in a folder, sorted. */
void each_name(const char *folder, void (*with)(const char *folder, const char *name));
u64 nanoseconds(void); /* of the monotonic clock */
void sleep_for(u64 milliseconds);

#endif
