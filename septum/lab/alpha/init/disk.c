/* Does this system's disk give back what was written to it? */
#include "system.h"
#include "tasks.h"

#define DISK "/dev/sda"
#define STATISTICS "/sys/block/sda/stat"
enum { FORGET = 0x20001261 }; /* BLKFLSBUF: write what is due, and drop the block device's cache */
enum { CHUNK = 65536, FIRST = 8192 };

static u64 block[CHUNK / 8];

/* The n-th number of a /sys/block/NAME/stat (Documentation/block/stat.rst), from 0. */
static u64 statistic(int wanted)
{
	char words[256], *from = words;

	contents(STATISTICS, words, sizeof words);
	for (;;) {
		while (*from == ' ')
			from++;
		if (!wanted--)
			return parsed(from);
		while (*from && *from != ' ')
			from++;
	}
}

/* FNV-1a, by 64-bit words. */
static u64 hashed(u64 hash, const u64 *words, u64 count)
{
	while (count--)
		hash = (hash ^ *words++) * 1099511628211UL;
	return hash;
}

static u64 written(s64 file, u64 bytes, u64 seed)
{
	u64 hash = 14695981039346656037UL, place, word;

	for (place = 0; place < bytes; place += CHUNK) {
		for (word = 0; word < CHUNK / 8; word++) {
			seed ^= seed << 13; /* xorshift64 */
			seed ^= seed >> 7;
			seed ^= seed << 17;
			block[word] = seed;
		}
		hash = hashed(hash, block, CHUNK / 8);
		if (CALL3(CALL_WRITE, file, block, CHUNK) != CHUNK)
			return 0;
	}
	return hash;
}

static u64 read_back(s64 file, u64 bytes)
{
	u64 hash = 14695981039346656037UL, place;

	for (place = 0; place < bytes; place += CHUNK) {
		memset(block, 0, 8);
		if (CALL3(CALL_READ, file, block, CHUNK) != CHUNK)
			return 0;
		hash = hashed(hash, block, CHUNK / 8);
	}
	return hash;
}

/* Says what the disk's first sector says; a number made of it, so that each disk has its own. */
static u64 label(s64 file)
{
	u64 words[64];
	char *sector = (char *)words;

	if (CALL3(CALL_READ, file, sector, sizeof words) != sizeof words)
		return 0;
	sector[64] = 0;
	if (!begins(sector, "septum "))
		return 0;
	say("disk_label ");
	text(sector + 7);
	end();
	return hashed(0, words, 8);
}

void disk(void)
{
	char value[32];
	u64 bytes, reads, writes, hash, seed;
	s64 file = CALL3(CALL_OPEN, DISK, READ_WRITE, 0);

	if (file < 0) {
		say("disk none");
		end();
		return;
	}
	contents("/sys/block/sda/size", value, sizeof value);
	say("disk_sectors");
	number(parsed(value));
	end();
	seed = label(file) ^ nanoseconds();
	bytes = parsed(parameter("septum.bytes", value, sizeof value, "1048576"));
	CALL2(CALL_IOCTL, file, FORGET);
	reads = statistic(2);
	writes = statistic(6);
	CALL3(CALL_SEEK, file, FIRST, 0);
	hash = written(file, bytes, seed | 1);
	CALL1(CALL_FSYNC, file);
	say("scsi_written ");
	hexadecimal(hash, 16);
	end();
	CALL2(CALL_IOCTL, file, FORGET);
	CALL3(CALL_SEEK, file, FIRST, 0);
	hash = read_back(file, bytes);
	say("scsi_read ");
	hexadecimal(hash, 16);
	end();
	say("scsi_sectors");
	number(statistic(6) - writes);
	number(statistic(2) - reads);
	end();
	CALL1(CALL_CLOSE, file);
}
