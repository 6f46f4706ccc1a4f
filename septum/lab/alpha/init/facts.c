/* What does this system find: itself, processors, memory, PCI functions? */
#include "system.h"
#include "tasks.h"

struct names { char system[65], node[65], release[65], version[65], machine[65], domain[65]; };

static void os(void)
{
	struct names names;

	memset(&names, 0, sizeof names);
	CALL1(CALL_UNAME, &names);
	say("os ");
	text(names.system);
	text(" ");
	text(names.release);
	text(" ");
	text(names.machine);
	end();
}

/* Sums the numbers after each `key` of a file. */
static u64 total(const char *path, const char *key)
{
	static char words[8192];
	u64 sum = 0;
	char *from;

	contents(path, words, sizeof words);
	for (from = words; *from; from++)
		if ((from == words || (u8)from[-1] <= ' ') && begins(from, key)) {
			from += length(key);
			while (*from == ' ' || *from == '\t' || *from == ':')
				from++;
			sum += parsed(from);
		}
	return sum;
}

static void processors_and_memory(void)
{
	char model[256];

	say("processors");
	number(total("/proc/cpuinfo", "cpus detected"));
	end();
	say("memory_bytes"); /* pages are 8 KiB */
	number(total("/proc/zoneinfo", "present") << 13);
	end();
	say("memory_kib");
	number(total("/proc/meminfo", "MemTotal:"));
	end();
	contents("/proc/cpuinfo", model, sizeof model);
}

static void attribute(const char *folder, const char *name, const char *what, char *to, u64 size)
{
	char path[128];

	append(append(append(append(append(path, folder), "/"), name), "/"), what);
	contents(path, to, size);
}

static void pci_function(const char *folder, const char *name)
{
	char value[32];

	say("pci ");
	text(name);
	attribute(folder, name, "class", value, sizeof value);
	text(" ");
	hexadecimal(parsed(value) >> 8, 4);
	text(": ");
	attribute(folder, name, "vendor", value, sizeof value);
	hexadecimal(parsed(value), 4);
	text(":");
	attribute(folder, name, "device", value, sizeof value);
	hexadecimal(parsed(value), 4);
	attribute(folder, name, "irq", value, sizeof value);
	text(" irq");
	number(parsed(value));
	end();
}

void facts(void)
{
	os();
	processors_and_memory();
	each_name("/sys/bus/pci/devices", pci_function);
}

/* The lines of /proc/interrupts, blanks closed up. */
void interrupts(void)
{
	static char words[4096];
	char *from, part[2] = {0, 0};

	contents("/proc/interrupts", words, sizeof words);
	for (from = words; *from;) {
		say("interrupts ");
		for (; *from && *from != '\n'; from++) {
			part[0] = *from;
			if (*from != ' ' || from[1] != ' ')
				text(part);
		}
		end();
		if (*from)
			from++;
	}
}
