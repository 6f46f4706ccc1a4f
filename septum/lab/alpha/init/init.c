/* The first and only program of a small Linux/alpha system.
 *
 * It does what the kernel's command line says in septum.do=TASK,TASK,... and says what it
 * finds in lines "septum: KEY VALUE". Without the word it reports and powers off.
 * Its prompt (the task "shell") knows the same tasks.
 */
#include "system.h"
#include "tasks.h"

enum { MAGIC = 0xfee1dead, MAGIC2 = 672274793 };
enum { OFF = 0x4321fedc, AGAIN = 0x01234567, HALT = 0xcdef0123 };

static void mark(const char *what)
{
	say(what);
	end();
}

static void io(void)
{
	mark("io begins");
	ethernet();
	disk();
	mark("io ends");
}

struct poll { u32 file; u16 wanted, found; };

/* Whether somebody typed a line since the last time. */
static int typed(void)
{
	struct poll poll = {0, 1 /* POLLIN */, 0};
	char line[16];

	return CALL3(CALL_POLL, &poll, 1, 0) > 0 && CALL3(CALL_READ, 0, line, sizeof line) > 0;
}

/* While it does its I/O, a program of it tries what is not its own. Whoever watches types a line
 * when every system is at work, and another when none tries any more. */
static void io_and_attempts(void)
{
	s64 child;

	do
		io();
	while (!typed());
	child = begin_child(attempts);
	do
		io();
	while (!typed());
	end_child(child);
}

static void report(void)
{
	facts();
	io();
	processes();
	faults();
	floating();
	interrupts();
	mark("reported");
}

static void off(void)
{
	CALL5(CALL_REBOOT, MAGIC, MAGIC2, OFF, 0, 0);
}

static void again(void)
{
	CALL5(CALL_REBOOT, MAGIC, MAGIC2, AGAIN, 0, 0);
}

static void halt(void)
{
	CALL5(CALL_REBOOT, MAGIC, MAGIC2, HALT, 0, 0);
}

static void idle(void)
{
	mark("idle");
	for (;;)
		sleep_for(3600000);
}

/* Never gives its processor away. */
static void spin(void)
{
	volatile u64 turns = 0;

	mark("spins");
	for (;;)
		turns++;
}

static void ticks(void)
{
	u64 count;

	for (count = 0;; count++) {
		say("tick");
		number(count);
		end();
		sleep_for(1000);
	}
}

/* I/O until it is ended; each round says whether it was whole. */
static void work(void)
{
	for (;;)
		io();
}

static void shell(void);

static const struct task {
	const char *name;
	void (*act)(void);
} tasks[] = {
	{"report", report}, {"facts", facts}, {"ethernet", ethernet}, {"disk", disk}, {"io", io},
	{"attempts", io_and_attempts}, {"aim", aim},
	{"processes", processes}, {"faults", faults}, {"float", floating},
	{"interrupts", interrupts}, {"idle", idle}, {"spin", spin}, {"ticks", ticks},
	{"work", work}, {"shell", shell}, {"reboot", again}, {"halt", halt}, {"off", off},
};

#define END (tasks + sizeof tasks / sizeof *tasks)

static void perform(const char *name)
{
	const struct task *task;

	for (task = tasks; task < END; task++)
		if (same(task->name, name)) {
			task->act();
			return;
		}
	say("unknown ");
	text(name);
	end();
}

static void shell(void)
{
	const struct task *task;
	char line[128];
	s64 size;

	say("tasks");
	for (task = tasks; task < END; task++) {
		text(" ");
		text(task->name);
	}
	end();
	for (;;) {
		CALL3(CALL_WRITE, 1, "# ", 2);
		size = CALL3(CALL_READ, 0, line, sizeof line - 1);
		if (size <= 0)
			return;
		while (size && (u8)line[size - 1] <= ' ')
			size--;
		line[size] = 0;
		if (size)
			perform(line);
	}
}

void begin(void)
{
	char todo[256], *name, *end_of_name;

	CALL2(CALL_MKDIR, "/proc", 0755);
	CALL2(CALL_MKDIR, "/sys", 0755);
	CALL2(CALL_MKDIR, "/dev", 0755);
	CALL5(CALL_MOUNT, "proc", "/proc", "proc", 0, 0);
	CALL5(CALL_MOUNT, "sysfs", "/sys", "sysfs", 0, 0);
	CALL5(CALL_MOUNT, "devtmpfs", "/dev", "devtmpfs", 0, 0);
	mark("init");
	parameter("septum.do", todo, sizeof todo, "report,off");
	for (name = todo; *name; name = end_of_name) {
		for (end_of_name = name; *end_of_name && *end_of_name != ',';)
			end_of_name++;
		if (*end_of_name)
			*end_of_name++ = 0;
		perform(name);
	}
	mark("nothing left to do");
	off();
}
