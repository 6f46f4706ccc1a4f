/* How far does this system get with what is another's? Root may name any physical address.
 *
 * septum.foreign=KIND ADDRESS,... says what is tried, without the blank: KIND is m (memory),
 * c (the command register of a function's configuration space), r (the status register of a
 * virtio device) or p (a port); ADDRESS is physical, in hexadecimal. Each is read, written and
 * read again.
 */
#include "system.h"
#include "tasks.h"

enum { PAGE = 8192, SHARED = 1, READ_AND_WRITE = 3 };
enum { TRIES = 2, PAUSE = 3 /* milliseconds */ };
enum { BAR_0 = 16, COMMAND = 4, MEMORY_AND_MASTER = 6, SPACE = 16384 };
enum { FEATURE_SELECT = 8, FEATURE = 12, STATUS = 20, QUEUE_SELECT = 22, ENABLE = 28 };
enum { DESCRIPTORS = 32, DRIVER = 40, DEVICE = 48, NOTIFY = 12288, TRANSMIT = 1 };
enum { BEGUN = 3, FEATURES = 11, RUNNING = 15 };

#define MARK 0x5e905e905e905e90UL
#define PCI_MEMORY 0x80000000000UL /* of the first hose; Tsunami HRM 6.1 */
#define CARD "/sys/bus/pci/drivers/virtio-pci/"

/* A run of physical addresses, mapped; 0 when the kernel does not let it. */
static volatile u8 *physical(u64 address, u64 size)
{
	s64 file = CALL3(CALL_OPEN, "/dev/mem", READ_WRITE, 0), at;
	u64 first = address & ~(PAGE - 1UL), more = address - first;

	if (file < 0)
		return 0;
	size = (more + size + PAGE - 1) & ~(PAGE - 1UL);
	at = CALL6(CALL_MMAP, 0, size, READ_AND_WRITE, SHARED, file, first);
	CALL1(CALL_CLOSE, file);
	return at < 0 && at > -4096 ? 0 : (volatile u8 *)at + more;
}

static u64 looked_at(char kind, volatile u8 *at)
{
	if (kind == 'm')
		return *(volatile u64 *)at;
	return kind == 'c' ? *(volatile u16 *)at : *at;
}

/* What would hurt most: code that is overwritten, a function that is switched off, a reset. */
static void put(char kind, volatile u8 *at)
{
	if (kind == 'm')
		*(volatile u64 *)at = MARK;
	else if (kind == 'c')
		*(volatile u16 *)at = 0;
	else
		*at = kind == 'r' ? 0 : 90;
	__asm__ volatile("mb" ::: "memory");
}

static void attempt(const char *thing)
{
	int digits = *thing == 'm' ? 16 : *thing == 'c' ? 4 : 2;
	volatile u8 *at = physical(parsed_as(thing + 1, 16), 8);
	u64 before;

	say("attempt ");
	text(thing);
	if (!at) {
		text(" not mapped");
		end();
		return;
	}
	before = looked_at(*thing, at);
	put(*thing, at);
	text(" ");
	hexadecimal(before, digits);
	text(" ");
	hexadecimal(looked_at(*thing, at), digits);
	end();
}

void attempts(void)
{
	char things[200], *thing, *rest;
	int tries;

	say("attempts begin");
	end();
	for (tries = 0; tries < TRIES; tries++) {
		parameter("septum.foreign", things, sizeof things, "");
		for (thing = things; *thing; thing = rest) {
			for (rest = thing; *rest && *rest != ',';)
				rest++;
			if (*rest)
				*rest++ = 0;
			attempt(thing);
			sleep_for(PAUSE);
		}
	}
	say("attempts end");
	end();
}

static void told(const char *file, const char *words)
{
	s64 to = CALL3(CALL_OPEN, file, WRITE_ONLY, 0);

	CALL3(CALL_WRITE, to, words, length(words));
	CALL1(CALL_CLOSE, to);
}

/* Where the card is on its bus: the name of the function it is a device of. */
static char card[32];

static void remember(const char *folder, const char *name)
{
	char path[96], kind[16];

	append(append(append(append(path, folder), "/"), name), "/class");
	contents(path, kind, sizeof kind);
	if (begins(kind, "0x0200"))
		append(card, name);
}

static void aim_with(volatile u8 *at, u64 target)
{
	volatile u32 *words = (volatile u32 *)at;

	at[STATUS] = 0;
	at[STATUS] = BEGUN;
	words[FEATURE_SELECT / 4] = 1;
	words[FEATURE / 4] = 3; /* VERSION_1, ACCESS_PLATFORM */
	at[STATUS] = FEATURES;
	*(volatile u16 *)(at + QUEUE_SELECT) = TRANSMIT;
	words[DESCRIPTORS / 4] = target;
	words[DESCRIPTORS / 4 + 1] = target >> 32;
	words[DRIVER / 4] = target + PAGE;
	words[DRIVER / 4 + 1] = (target + PAGE) >> 32;
	words[DEVICE / 4] = target + 2 * PAGE;
	words[DEVICE / 4 + 1] = (target + 2 * PAGE) >> 32;
	*(volatile u16 *)(at + ENABLE) = 1;
	at[STATUS] = RUNNING;
	*(volatile u32 *)(at + NOTIFY + 4 * TRANSMIT) = TRANSMIT;
	__asm__ volatile("mb" ::: "memory");
	sleep_for(PAUSE);
	hexadecimal(at[STATUS], 2);
	at[STATUS] = 0;
}

/* Takes its Ethernet card from the driver, lets it read at septum.aim, a bus address, and gives
 * it back. */
void aim(void)
{
	char path[96], value[32];
	volatile u8 *at;
	u32 word = 0;
	s64 file;

	parameter("septum.aim", value, sizeof value, "0");
	each_name("/sys/bus/pci/devices", remember);
	told(CARD "unbind", card);
	append(append(append(path, "/sys/bus/pci/devices/"), card), "/config");
	file = CALL3(CALL_OPEN, path, READ_WRITE, 0);
	CALL3(CALL_SEEK, file, BAR_0, 0);
	CALL3(CALL_READ, file, &word, 4);
	at = physical(PCI_MEMORY + (word & ~15U), SPACE);
	word = MEMORY_AND_MASTER;
	CALL3(CALL_SEEK, file, COMMAND, 0);
	CALL3(CALL_WRITE, file, &word, 2);
	CALL1(CALL_CLOSE, file);
	say("aimed ");
	text(value);
	text(" ");
	if (at)
		aim_with(at, parsed_as(value, 16));
	end();
	told(CARD "bind", card);
}
