"""Does an instance live its whole life, and leave nothing behind? On /dev/kvm, without devices."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from septum.engine.kvm.machine import VirtualMachine
from septum.errors import GuestProblem, HostProblem
from septum.host.apart import apart
from septum.host.channel import ask, connect
from septum.host.memory import GuestMemory
from septum.host.runtime import RunDirectory
from septum.instance import boot
from septum.instance.processors import KICK
from septum.layouts import kvm, vfio
from septum.messages import Message
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.state import Ending
from septum.units import GiB, MiB, Span
from tests.engine.kvm.kernels import bzimage, packed, vmlinux
from tests.instance import guests
from tests.instance.fakes import FUNCTION, MEMORY, FakeDevice
from tests.machines import a_machine

pytestmark = pytest.mark.skipif(
    not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here"
)
SPIN = guests.code("ebfe")
RESET = guests.code("b0fe", "e664")  # mov al, 0xfe; out 0x64, al
HERE = min(os.sched_getaffinity(0))  # a processor these tests may run on


class Life:
    """One instance of a program: what it reported, and where it left what it said."""

    def __init__(self, folder: Path, program: bytes, processors: int = 1) -> None:
        self.folder = folder
        self.directory = RunDirectory(str(folder / "run"), str(folder / "log"))
        self.directory.make()
        self.directory.make_instance("blue")
        kernel = folder / "vmlinuz"
        kernel.write_bytes(bzimage(packed(vmlinux(program), "gzip")))
        self.partition = Partition(
            "blue", str(kernel), None, "console=ttyS0", MemorySlice(64 * MiB, 0),
            Processors((HERE,) * processors, False, 100), (),
        )  # fmt: skip
        self.reports: list[str] = []
        self.running: Callable[[], None] = lambda: None

    def report(self, event: str, fields: Mapping[str, object]) -> None:
        self.reports.append(str(fields.get("text") or fields.get("state")))
        if event == "state":
            self.running()

    def live(self) -> Ending:
        return boot.run(self.partition, a_machine(), self.directory, self.report)

    @property
    def said(self) -> bytes:
        return Path(self.directory.log_of("blue")).read_bytes()

    def ask(self, **question: object) -> Message:
        return ask(self.directory.control_of("blue"), question, "blue")


@pytest.fixture(autouse=True)
def kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No huge page of this computer is touched, no cache of its user's, no signal is left set."""
    monkeypatch.setattr(boot, "GuestMemory", partial(GuestMemory, root=str(tmp_path)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = signal.getsignal(KICK)
    yield
    signal.signal(KICK, before)


def test_it_prints_and_powers_off(tmp_path: Path) -> None:
    life = Life(tmp_path, guests.HI + guests.POWER_OFF)
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    assert life.live() == Ending("powered off", "")
    assert life.said == b"Hi"
    assert life.reports == ["preparing the kernel", "has 64M of memory, plain pages", "running"]
    assert len(os.listdir("/proc/self/fd")) == files, "something was left open"
    assert threading.active_count() == threads
    assert os.listdir(life.directory.claims) == []


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_virtualization_is_told_of_as_the_table_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, there: bool
) -> None:
    told: list[bool] = []
    describe = VirtualMachine.describe

    def described(machine: VirtualMachine, *, nested: bool, uncached: Sequence[Span]) -> None:
        told.append(nested)
        assert uncached[0].end == 4 * GiB, "below it are only devices"
        describe(machine, nested=nested, uncached=uncached)

    monkeypatch.setattr(VirtualMachine, "describe", described)
    monkeypatch.setattr(VirtualMachine, "can_nest", there)
    life = Life(tmp_path, guests.POWER_OFF)
    life.partition = life.partition._replace(nested=asked)
    assert life.live().reason == "powered off" and told == [asked]
    missed = any("it finds no virtualization" in line for line in life.reports)
    assert missed == (asked and not there)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a user away")
def test_it_lives_confined_and_answers_everything(tmp_path: Path) -> None:
    """In a process apart, as `septum run` has it; a filter that lacked a call would show here."""
    life = Life(tmp_path, guests.HI + SPIN, processors=2)
    control = Path(life.directory.control_of("blue"))
    answers: dict[str, Message] = {}

    def ask_everything() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (control.exists() and life.said == b"Hi"):
            time.sleep(0.01)
        for word in ("devices", "memory", "interrupts", "probes", "translations", "exits"):
            answers[word] = life.ask(ask=word)
        answers["status"] = {"text": status_of(life)}
        life.ask(ask="stop")

    def act() -> Ending:
        return boot.run(
            life.partition, a_machine(), life.directory, life.report, confined=True
        )

    asker = threading.Thread(target=ask_everything)
    asker.start()
    ending = apart(act, lambda: None)
    asker.join()
    assert ending == Ending("stopped")
    assert life.said == b"Hi"
    assert all("rows" in answers[word] for word in answers if word != "status")
    assert any(row["request"] == "IPI" for row in answers["interrupts"]["rows"])
    assert "Seccomp:\t2" in answers["status"]["text"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a user away")
def test_confined_its_log_begins_anew_and_who_is_attached_reads_on(tmp_path: Path) -> None:
    """What it may open nothing for any more; and a reader of the console sees no difference."""
    count, size = 150_000, 64 << 10
    life = Life(tmp_path, guests.chatter(count) + SPIN)
    life.partition = life.partition._replace(log_size=size, log_count=2)
    heard = bytearray()

    def read() -> None:
        stream = until_there(life.directory.console_of("blue"))
        with stream:
            stream.settimeout(60)
            while len(heard) < count and (data := stream.recv(1 << 16)):
                heard.extend(data)
        life.ask(ask="stop")

    reader = threading.Thread(target=read)
    reader.start()
    ending = apart(
        lambda: boot.run(life.partition, a_machine(), life.directory, life.report, confined=True),
        lambda: None,
    )
    reader.join()
    assert ending == Ending("stopped")
    written = bytes(number & 0xFF for number in range(count, 0, -1))
    assert bytes(heard) == written[-len(heard) :] and len(heard) >= 64 << 10
    older = Path(life.directory.log_of("blue") + ".1").read_bytes()
    assert len(older) == size and len(life.said) == count % size
    assert (older + life.said) == written[-size - count % size :]


def until_there(path: str) -> socket.socket:
    """A connection to a socket that will be there soon."""
    deadline = time.monotonic() + 20
    while (stream := connect(path)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return stream


def status_of(life: Life) -> str:
    """Of the process that listens at its control socket: /proc/PID/status."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(life.directory.control_of("blue"))
        credentials = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return Path(f"/proc/{int.from_bytes(credentials[:4], 'little')}/status").read_text()


def test_it_can_live_again(tmp_path: Path) -> None:
    life = Life(tmp_path, guests.HI + RESET + SPIN)
    assert life.live().reason == "reset"
    assert life.live().reason == "reset"
    assert life.said == b"HiHi", "the log goes on"


def test_its_power_button_is_pressed(tmp_path: Path) -> None:
    life = Life(tmp_path, guests.HI + guests.LISTEN + guests.POWER_OFF)
    told: list[Message] = []
    asker = threading.Thread(target=lambda: told.append(life.ask(ask="press")))
    life.running = asker.start
    assert life.live() == Ending("powered off")
    asker.join()
    assert told[0]["rows"][0]["heard"] in (True, False)  # it had just begun


def test_a_triple_fault(tmp_path: Path) -> None:
    ending = Life(tmp_path, guests.TRIPLE_FAULT).live()
    assert ending.reason == "shut down (triple fault)" and "rip" in ending.detail


def test_it_is_asked_and_stopped_while_it_spins(tmp_path: Path) -> None:
    """Two processors: the second waits to be woken, as its kernel would wake it."""
    life = Life(tmp_path, guests.HI + SPIN, processors=2)
    told: dict[str, Message] = {}

    def questions() -> None:
        for name in ("devices", "memory", "interrupts", "probes", "translations", "exits"):
            told[name] = life.ask(ask=name)
        for bad in (
            {"function": "nonsense"},
            {"function": "0000:09:00.0"},
        ):
            told[str(bad)] = life.ask(ask="revoke", **bad)
        life.ask(ask="stop")

    asker = threading.Thread(target=questions)
    life.running = asker.start
    assert life.live().reason == "stopped"
    asker.join()
    assert {
        "guest": "0x0-0x9fbff",
        "bytes": 0x9FC00,
        "kind": "usable",
        "backing": "plain pages",
    } in (told["memory"]["rows"])
    requests = {row["request"] for row in told["interrupts"]["rows"]}
    assert {"GSI 0", "GSI 4", "IPI"} <= requests
    assert any(row["what"] == "granted, processor" for row in told["exits"]["rows"])
    assert "PCI address" in str(told["{'function': 'nonsense'}"])
    assert "does not own it" in str(told["{'function': '0000:09:00.0'}"])


def test_a_bug_of_ours_ends_it_instead_of_leaving_it_hanging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from septum.shared.serial import SerialPort

    def broken(port: SerialPort, register: int, value: int) -> None:
        raise ZeroDivisionError("a bug")

    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    monkeypatch.setattr(SerialPort, "write", broken)
    ending = Life(tmp_path, guests.HI + SPIN).live()
    assert ending.reason == "failed" and "a bug" in ending.detail
    assert len(seen) == 1, "and its traceback is kept"


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path, b"")
    gc.collect()  # what tests before this one left is not to be closed in the middle of it
    files = len(os.listdir("/proc/self/fd"))
    life.partition = life.partition._replace(initrd=str(tmp_path / "none"))
    with pytest.raises(GuestProblem, match="initrd"):
        life.live()
    life.partition = life.partition._replace(initrd=None, kernel="/dev/null")
    with pytest.raises(GuestProblem, match="not a kernel"):
        life.live()
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_function_linux_will_not_give_means_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken before it is given back, in reverse."""
    story: list[str] = []

    class Claim:
        def __init__(self, address: str, journal: object, instance: str, **how: object) -> None:
            self.address = address

        def __enter__(self) -> None:
            if self.address.endswith("02:00.0"):
                raise HostProblem(f"cannot take {self.address} from Linux")
            story.append(f"took {self.address}")

        def __exit__(self, *_: object) -> None:
            story.append(f"gave {self.address}")

    monkeypatch.setattr(boot, "Claim", Claim)
    life = Life(tmp_path, b"")
    wanted = [f.address for f in a_machine().functions if str(f.address)[5:] in WANTED]
    life.partition = life.partition._replace(functions=tuple(wanted))
    with pytest.raises(HostProblem, match="cannot take 0000:02:00"):
        life.live()
    assert story == ["took 0000:00:04.0", "took 0000:01:00.0", "gave 0000:01:00.0",
                     "gave 0000:00:04.0"]  # fmt: skip


WANTED = ("00:04.0", "01:00.0", "02:00.0")


def test_a_function_is_handed_over_and_given_back_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest finds it by itself: it reads a register of BAR 0 and powers off."""
    story: list[str] = []

    class Claim:
        def __init__(self, address: str, journal: object, instance: str, **how: object) -> None:
            story.append(f"claim {address}")

        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            story.append("give back")

    class Container:
        def __init__(self, known: VirtualMachine, say: object) -> None:
            assert known.can_nest in (True, False), "a machine, whose processors are made"

        def __enter__(self) -> Container:
            return self

        def __exit__(self, *_: object) -> None:
            story.append("close")

        def device(self, address: str, group: int) -> FakeDevice:
            story.append(f"open {address} of group {group}")
            return device

        def map(self, host: int, address: int, size: int) -> None:
            story.append(f"DMA {address:#x}")

    device = FakeDevice()
    registers = mmap.mmap(-1, 256 * 1024)
    address = ctypes.addressof(ctypes.c_char.from_buffer(registers))
    monkeypatch.setattr(device, "mapped", lambda bar: address)
    monkeypatch.setattr(device, "reset", lambda: story.append("reset"))
    monkeypatch.setattr(boot, "Claim", Claim)
    monkeypatch.setattr(boot, "Container", Container)
    read_twice = guests.load_from(MEMORY) + guests.load_from(MEMORY)
    life = Life(tmp_path, read_twice + guests.HI + guests.POWER_OFF)
    functions = tuple(
        FUNCTION._replace(iommu_group=f.iommu_group, parent=f.parent)
        if f.address == FUNCTION.address
        else f
        for f in a_machine().functions
    )
    life.partition = life.partition._replace(functions=(FUNCTION.address,))
    ending = boot.run(life.partition, a_machine(functions=functions), life.directory, life.report)
    assert ending.reason == "powered off" and life.said == b"Hi"
    assert (0, 0, 4) not in device.reads, "its registers were leased before it ran"
    assert story[:3] == ["claim 0000:01:00.0", "open 0000:01:00.0 of group 9", "DMA 0x0"]
    assert f"DMA {MEMORY:#x}" in story
    assert [step for step in story if "DMA" not in step][2:] == [
        "reset", "reset", "close", "give back",
    ]  # fmt: skip
    assert device.bytes[7][4] & 4 == 0, "it is no bus master any more"
    assert set(device.connected) == {vfio.PCI_REQ_IRQ, vfio.PCI_ERR_IRQ}
    assert f"resetting {FUNCTION.address}" in life.reports
    registers.close()
