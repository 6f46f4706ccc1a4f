/* Does somebody answer on the other side of this system's wire? */
#include "system.h"
#include "tasks.h"

enum { INTERNET = 2, PACKET = 17, DATAGRAM = 2, RAW = 3, ICMP = 1 };
enum { SET_ADDRESS = 0x8916, SET_FLAGS = 0x8914, SET_MASK = 0x891c, GET_INDEX = 0x8933 };
enum { UP = 1, ECHO_REQUEST = 8, ECHO_REPLY = 0, IDENTITY = 0x5e90 };
enum { EXPERIMENTAL = 0x88b5 }; /* IEEE 802: an EtherType for whoever tries something */
enum { PINGS = 4, PAYLOAD = 56 };

struct internet { u16 family, port; u8 address[4]; u8 zero[8]; };
struct request { char name[16]; union { struct internet address; u16 flags; u32 index; } u; u64 pad; };
struct packet { u16 family, protocol; u32 index; u16 kind; u8 way, size, address[8]; };
struct echo { u8 kind, code; u16 sum, identity, sequence; u8 payload[PAYLOAD]; };
struct poll { u32 file; u16 wanted, found; };

static char interface[16];

static void remember(const char *folder, const char *name)
{
	(void)folder;
	if (!same(name, "lo") && !interface[0] && length(name) < sizeof interface)
		append(interface, name);
}

static u16 swapped(u16 value)
{
	return value << 8 | value >> 8;
}

static void read_address(const char *words, u8 *to)
{
	int part;

	for (part = 0; part < 4; part++) {
		to[part] = parsed(words);
		while (*words && *words != '.')
			words++;
		if (*words)
			words++;
	}
}

static void configure(u64 socket, const char *address)
{
	struct request request;

	memset(&request, 0, sizeof request);
	append(request.name, interface);
	request.u.address.family = INTERNET;
	read_address(address, request.u.address.address);
	CALL3(CALL_IOCTL, socket, SET_ADDRESS, &request);
	memset(request.u.address.address, 255, 3);
	request.u.address.address[3] = 0;
	CALL3(CALL_IOCTL, socket, SET_MASK, &request);
	request.u.flags = UP;
	CALL3(CALL_IOCTL, socket, SET_FLAGS, &request);
}

static void wait_for_carrier(void)
{
	char path[64], value[8];
	int tries;

	append(append(append(path, "/sys/class/net/"), interface), "/carrier");
	for (tries = 0; tries < 100; tries++) {
		contents(path, value, sizeof value);
		if (value[0] == '1')
			return;
		sleep_for(20);
	}
}

/* RFC 1071 */
static u16 checksum(const void *data, u64 size)
{
	const u16 *words = data;
	u64 sum = 0;

	for (; size; size -= 2)
		sum += *words++;
	sum = (sum >> 16) + (sum & 65535);
	return ~(sum + (sum >> 16));
}

/* 1 when the answer to this echo came within a second. */
static int answered(u64 socket, struct internet *peer, u16 sequence)
{
	static u8 heard[256];
	struct echo echo, *reply;
	struct poll poll;
	int place, tries;

	memset(&echo, 0, sizeof echo);
	echo.kind = ECHO_REQUEST;
	echo.identity = IDENTITY;
	echo.sequence = swapped(sequence);
	for (place = 0; place < PAYLOAD; place++)
		echo.payload[place] = 16 + place + sequence;
	echo.sum = checksum(&echo, sizeof echo);
	if (CALL6(CALL_SEND, socket, &echo, sizeof echo, 0, peer, sizeof *peer) < 0)
		return 0;
	for (tries = 0; tries < 8; tries++) {
		poll.file = socket;
		poll.wanted = 1; /* POLLIN */
		if (CALL3(CALL_POLL, &poll, 1, 1000) <= 0)
			return 0;
		if (CALL6(CALL_RECEIVE, socket, heard, sizeof heard, 0, 0, 0) < 28)
			continue;
		reply = (struct echo *)(heard + 4 * (heard[0] & 15));
		if (reply->kind != ECHO_REPLY || reply->identity != IDENTITY ||
		    reply->sequence != echo.sequence)
			continue;
		for (place = 0; place < PAYLOAD; place++)
			if (reply->payload[place] != echo.payload[place])
				return 0;
		return 1;
	}
	return 0;
}

/* One frame to everybody, of no protocol: what the wire carries is ours to the last byte. */
static void broadcast(u64 configured)
{
	static const char words[64] = "a frame of septum's init";
	struct request request;
	struct packet to;
	s64 socket = CALL3(CALL_SOCKET, PACKET, DATAGRAM, swapped(EXPERIMENTAL));

	memset(&request, 0, sizeof request);
	append(request.name, interface);
	CALL3(CALL_IOCTL, configured, GET_INDEX, &request);
	memset(&to, 0, sizeof to);
	to.family = PACKET;
	to.protocol = swapped(EXPERIMENTAL);
	to.index = request.u.index;
	to.size = 6;
	memset(to.address, 255, 6);
	say("frame_sent");
	number(CALL6(CALL_SEND, socket, words, sizeof words, 0, &to, 20));
	end();
	CALL1(CALL_CLOSE, socket);
}

void ethernet(void)
{
	char address[32], gateway[32], path[64], card[32];
	struct internet peer;
	s64 socket = CALL3(CALL_SOCKET, INTERNET, DATAGRAM, 0), raw;
	int sent, heard = 0;

	interface[0] = 0;
	each_name("/sys/class/net", remember);
	if (!interface[0]) {
		say("ethernet none");
		end();
		return;
	}
	parameter("septum.address", address, sizeof address, "10.0.2.15");
	parameter("septum.gateway", gateway, sizeof gateway, "10.0.2.2");
	append(append(append(path, "/sys/class/net/"), interface), "/address");
	contents(path, card, sizeof card);
	say("ethernet ");
	text(interface);
	text(" ");
	text(card);
	end();
	say("address ");
	text(address);
	end();
	configure(socket, address);
	wait_for_carrier();
	memset(&peer, 0, sizeof peer);
	peer.family = INTERNET;
	read_address(gateway, peer.address);
	raw = CALL3(CALL_SOCKET, INTERNET, RAW, ICMP);
	for (sent = 0; sent < PINGS; sent++)
		heard += answered(raw, &peer, sent);
	say("gateway ");
	text(gateway);
	end();
	say("pings");
	number(sent);
	number(heard);
	end();
	broadcast(socket);
	CALL1(CALL_CLOSE, raw);
	CALL1(CALL_CLOSE, socket);
}
