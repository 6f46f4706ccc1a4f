"""What does each reach for that is not its own, and what comes of it?

Two ways. The processor's: each system reads and writes, by /dev/mem and /dev/port, where the
other's registers and configuration spaces are, and where no memory of its own is. The device's:
one system takes the driver off its SCSI controller, and has the controller move memory from
beyond its own, and to the other's registers; then the driver gets it back. Meanwhile the other
works, and must not notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from septum.lab import report
from septum.lab.report import (
    CONFIGURATION,
    MEMORY,
    PORT,
    READ,
    SCRATCH_BYTES,
    SCSI,
    WRITE,
    Promise,
    Row,
    Target,
)
from septum.lab.terminal import Terminal
from septum.layouts import sym53c895a as controller
from septum.units import MiB

# Linux guards what its drivers use, this instance's configuration spaces among it, from /dev/mem
KERNEL_OPTION = "iomem=relaxed"
DMA_INSTANCE = "green"  # its disk is for data: nothing of its own waits while the driver is off
DRIVER = "/sys/bus/pci/drivers/sym53c8xx"
MOVED = 4  # bytes by each script
MOVED_TO = 256  # where in the controller's RAM, behind the script
BEFORE = "0x5A5A5A5A"  # what stands there before
ENDED = f"{controller.DMA_FIFO_EMPTY | controller.SCRIPT_INTERRUPT:#x}"  # in DSTAT
# What is at MOVED_TO afterwards: QEMU gives zeros to a device whose read is refused
OUTCOME = {READ: ("0x00000000", ENDED), WRITE: (BEFORE, ENDED)}

# Written first, so that a value read back would be the one that was written
_REACH = {
    MEMORY: "for a in {all}; do busybox devmem $a 32 0; "
    'echo "memory $a $(busybox devmem $a 32 2>&1)"; done',
    CONFIGURATION: "for a in {all}; do busybox devmem $((a+4)) 16 7; "
    'echo "configuration $a $(busybox devmem $a 32 2>&1)"; done',
    PORT: "for a in {all}; do "
    "printf '\\0' | dd of=/dev/port bs=1 seek=$((a)) count=1 conv=notrunc 2>/dev/null; "
    'echo "port $a $(dd if=/dev/port bs=1 skip=$((a)) count=1 2>/dev/null | od -An -tx1)"; done',
}
# Long enough that the attempts lie within it
BYSTAND = (
    "set -- $(ip -4 route show default); ping -q -c {pings} -i 0.02 $3; "
    "echo 3 >/proc/sys/vm/drop_caches; "
    'echo "read $(dd if={scratch} bs=1048576 count={blocks} 2>/dev/null | md5sum)"'
)
BYSTANDERS_PINGS = 200
READ_AGAIN = (
    "echo 3 >/proc/sys/vm/drop_caches; "
    'echo "again $(dd if={scratch} bs=1048576 count={blocks} 2>/dev/null | md5sum)"'
)
TAKE_OFF = (
    "echo {at} >{driver}/unbind; printf '\\007\\0' | "
    "dd of=/sys/bus/pci/devices/{at}/config bs=2 seek=2 count=1 conv=notrunc 2>/dev/null"
)
GIVE_BACK = (
    "echo {at} >{driver}/bind; i=0; "
    "until [ -b {scratch} ] || [ $i -ge 600 ]; do sleep 0.1; i=$((i+1)); done; "
)


class Aim(NamedTuple):
    """Where DMA of the controller is aimed: an address on the bus that is not its owner's."""

    how: str  # READ or WRITE
    address: int
    of: str


class Controller(NamedTuple):
    """A 53C895A: its function, and where its registers and its RAM are."""

    address: str
    registers: int
    ram: int


def reaching_table(text: str) -> str:
    """A partition table whose systems show all of their physical addresses in /dev/mem."""
    return text.replace('command_line = "', f'command_line = "{KERNEL_OPTION} ')


def reaching(targets: Sequence[Target], what: str) -> str:
    """A command that writes and then reads each target of a kind, and says what it read."""
    places = " ".join(one.address for one in targets if one.what == what)
    return _REACH[what].format(all=places)


def bystanding(scratch: str) -> str:
    """A command that pings, and reads its disk again."""
    return BYSTAND.format(pings=BYSTANDERS_PINGS, scratch=scratch, blocks=SCRATCH_BYTES // MiB)


def by_processor(terminal: Terminal, promise: Promise, seconds: float) -> list[dict[str, str]]:
    """Let it reach for each of its targets."""
    commands = [reaching(promise.targets, kind) for kind in (MEMORY, CONFIGURATION, PORT)]
    text = "\n".join(terminal.ask(command, seconds).text for command in commands)
    return tried(promise.targets, text)


def reading_again(scratch: str) -> str:
    return READ_AGAIN.format(scratch=scratch, blocks=SCRATCH_BYTES // MiB)


def neighbour(text: str) -> dict[str, Any]:
    """How one fared while the other reached for what is not its own, of BYSTAND."""
    said = report.ethernet(text)
    read = dict(report.lines_of(text)).get("read", "").split(" ")[0]
    return {"pings_sent": said["pings_sent"], "pings_answered": said["pings_answered"],
            "read": read}  # fmt: skip


def tried(targets: Sequence[Target], text: str) -> list[dict[str, str]]:
    """Each target and what it answered, of reaching()."""
    said = {}
    for key, value in report.lines_of(text):
        address, _, answered = value.partition(" ")
        said[key, address] = answered.strip()
    return [{**one._asdict(), "answered": said.get((one.what, one.address), "")} for one in targets]


def recorded(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Exits that nobody's addresses took, of two looks at septum show exits by who answered."""
    kinds = {"no_memory": "no memory", "no_port": "no port", "ecam": "PCI configuration (ECAM)"}
    return {line: after.get(owner, 0) - before.get(owner, 0) for line, owner in kinds.items()}


# ---- DMA


def aims(promised: Mapping[str, Promise]) -> list[Aim]:
    """A read of memory that is not its own, and a write to registers that are not."""
    mine = promised[DMA_INSTANCE]
    memory = next(one for one in mine.targets if one.what == MEMORY and not one.function)
    other = next(one for one in mine.targets if one.what == MEMORY and one.function)
    return [
        Aim(READ, int(memory.address, 16), memory.of),
        Aim(WRITE, int(other.address, 16), other.of),
    ]


def controller_of(promise: Promise, machine: Row) -> Controller:
    """Its own SCSI controller, of what septum scan says."""
    at = promise.of_class(SCSI)
    function = next(one for one in machine["functions"] if one["address"] == at)
    bars = {bar["index"]: bar["span"]["start"] for bar in function["bars"]}
    return Controller(at, bars[controller.REGISTERS_BAR], bars[controller.RAM_BAR])


def moving(aim: Aim, mine: Controller) -> str:
    """A command that lets the controller carry out one aim; says what it got, and how it ended."""
    place = mine.ram + MOVED_TO
    ends = (aim.address, place) if aim.how == READ else (place, aim.address)
    script = controller.moving(*ends, MOVED)
    steps = [f"devmem {place:#x} 32 {BEFORE}"]
    steps += [f"devmem {mine.ram + 4 * n:#x} 32 {word:#x}" for n, word in enumerate(script)]
    steps += [f"devmem {mine.registers + controller.DSP:#x} 32 {mine.ram:#x}", "sleep 0.3"]
    steps += [f'echo "got $(devmem {place:#x} 32)"']
    steps += [f'echo "ended $(devmem {mine.registers + controller.DSTAT:#x} 8)"']
    return "; ".join(steps)


def taking_off(mine: Controller) -> str:
    return TAKE_OFF.format(at=mine.address, driver=DRIVER)


def giving_back(mine: Controller, scratch: str) -> str:
    return GIVE_BACK.format(at=mine.address, driver=DRIVER, scratch=scratch) + reading_again(
        scratch
    )


def by_device(
    terminal: Terminal, mine: Controller, aims: Sequence[Aim], scratch: str, seconds: float
) -> dict[str, Any]:
    """Let its controller carry out each aim, then give it back to its driver, and read by it."""
    terminal.ask(taking_off(mine), seconds)
    texts = [terminal.ask(moving(aim, mine), seconds).text for aim in aims]
    again = dict(report.lines_of(terminal.ask(giving_back(mine, scratch), seconds).text))
    return {
        "device": mine.address,
        "aims": [
            carried_out(aim, dict(report.lines_of(text)))
            for aim, text in zip(aims, texts, strict=True)
        ],
        "read_again": again.get("again", "").split(" ")[0],
    }


def carried_out(aim: Aim, said: dict[str, str]) -> dict[str, Any]:
    """One aim, and what the controller said of it."""
    return {
        "how": aim.how,
        "address": f"{aim.address:#x}",
        "of": aim.of,
        "got": said.get("got", ""),
        "ended": said.get("ended", ""),
    }
