"""Does a device go on when Linux gives it fewer interrupts, or none, and is that said?"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from typing import Any, cast

import pytest

from septum.engine.kvm.routing import RoutingTable
from septum.host.vfio import InterruptIndex
from septum.instance import interrupts as module
from septum.instance.interrupts import counted, table_of
from septum.instance.owned import _silent_line, silence
from septum.interrupts import routes
from septum.interrupts.table import DELIVER, missing
from septum.layouts import pci, vfio
from tests.instance.fakes import (
    BLUE,
    FUNCTION,
    MSI,
    MSIX,
    TABLE,
    TABLE_BAR,
    FakeDevice,
    Owner,
    with_vectors,
)

GOOD = (0xFEE01000, 0x4023)
MASK = TABLE_BAR + TABLE + 12


def messages(owner: Owner) -> dict[str, object]:
    rows = owner.table.rows()
    return {str(row["request"]): row["handler"] for row in rows if row["instance"] == "blue"
            and row["handled_by"] == "blue"}  # fmt: skip


# ---- the line


@pytest.mark.parametrize("what", ["connect the line", "connect unmask"])
def test_a_line_linux_refuses_is_gone_without(what: str) -> None:
    """A shared line without a mask (EBUSY): its driver may want messages anyway."""
    device = FakeDevice()
    device.refuses.add(what)
    owner = Owner(device=device)
    assert owner.interrupts.kind == -1 and owner.machine.irqfds == {} and device.connected == {}
    assert "goes on without its interrupt line" in owner.said[0]
    assert messages(owner) == {"none": "not connected"}
    owner.enable_msix()
    owner.vector(0, *GOOD)
    assert owner.delivered() == {0: GOOD}
    for _ in range(50):  # it may be tried again, and is not said again
        owner.configure(MSIX + 2, 2, 0)
        owner.enable_msix()
    assert len(owner.said) == 1
    device.refuses.clear()
    owner.configure(MSIX + 2, 2, 0)
    assert messages(owner) == {"INTx A": "GSI 17, level"}
    owner.interrupts.close()


def test_a_line_vfio_does_not_count_is_none() -> None:
    """Some devices' pins are known not to work: VFIO has none for them, firmware tells of one."""
    device = FakeDevice()
    device.interrupts = (InterruptIndex(0, False), *device.interrupts[1:])
    owner = Owner(device=device)
    assert owner.interrupts.line_gsi == 0 and device.connected == {}
    assert "no interrupt line that works" in owner.said[0]
    owner.enable_msix()
    owner.configure(MSIX + 2, 2, 0)
    assert device.connected == {} and len(owner.said) == 1
    owner.interrupts.close()


def is_silent(device: FakeDevice) -> bool:
    """Whether the device's own command register keeps its line from speaking."""
    return bool(pci.Command(device.read(7, pci.Command.offset, 2)).intx_disable)


def test_a_line_is_silent_while_nobody_hears_it() -> None:
    """Linux shuts a line that nobody fields, for whoever else is on it."""
    device = FakeDevice()
    silence(cast(Any, device))
    assert is_silent(device)
    owner = Owner(device=device)
    assert not is_silent(device), "it is connected from the start"
    owner.command(2)
    assert not is_silent(device)
    owner.enable_msix()
    assert is_silent(device)
    owner.command(6)  # its driver switches bus mastering on, and means nothing by the line
    assert is_silent(device)
    assert not owner.function.configuration.command.intx_disable, "what its owner wrote"
    owner.configure(MSIX + 2, 2, 0)
    assert not is_silent(device)
    owner.command(int(pci.Command.mask("memory_space", "intx_disable")))
    assert is_silent(device), "as its owner wants it"
    owner.interrupts.close()
    assert is_silent(device)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_line_linux_refuses_stays_silent(width: int) -> None:
    device = FakeDevice()
    device.refuses.add("connect the line")
    silence(cast(Any, device))
    owner = Owner(device=device)
    for offset in range(pci.Command.offset, pci.Command.offset + 4, width):
        owner.configure(offset, width, 2 if offset == pci.Command.offset else 0)
        assert is_silent(device)
    owner.function.reset()
    assert is_silent(device)
    owner.interrupts.close()


def test_other_registers_are_written_as_they_are() -> None:
    owner = Owner()
    owner.enable_msix()
    assert [_silent_line(at, 4) for at in (0, 8, 0x10, 0x3C)] == [0, 0, 0, 0]
    assert [_silent_line(at, 1) for at in range(8)] == [0, 0, 0, 0, 0, 4, 0, 0]
    owner.interrupts.close()


# ---- fewer vectors


def test_linux_has_fewer_vectors_than_the_device() -> None:
    device = FakeDevice()
    device.has = 2
    owner = Owner(device=device)
    owner.enable_msix()
    for number in range(3):
        owner.vector(number, *GOOD)
    assert owner.delivered() == {0: GOOD, 1: GOOD}
    assert len(device.connected[vfio.PCI_MSIX_IRQ]) == 2
    assert "2 of its 3 vectors" in owner.said[-1]
    assert set(messages(owner)) == {"MSI-X 0", "MSI-X 1"}
    owner.interrupts.close()


def test_vfio_counts_fewer_vectors_than_the_device() -> None:
    """Asked for more than it counts, VFIO would refuse all of them."""
    device = FakeDevice()
    device.interrupts = (*device.interrupts[:2], InterruptIndex(2, False), *device.interrupts[3:])
    owner = Owner(device=device)
    owner.enable_msix()
    for number in range(3):
        owner.vector(number, *GOOD)
    assert owner.delivered() == {0: GOOD, 1: GOOD} and "2 of its 3 vectors" in owner.said[-1]
    owner.interrupts.close()


# ---- one by one


@pytest.fixture
def grown() -> Iterator[Owner]:
    """A device whose vectors are set up one by one, as Linux 6.5 and later can."""
    device = FakeDevice()
    device.interrupts = (*device.interrupts[:2], InterruptIndex(3, True), *device.interrupts[3:])
    owner = Owner(device=device)
    yield owner
    owner.interrupts.close()


def test_vectors_are_allocated_when_they_are_unmasked(grown: Owner) -> None:
    before = len(os.listdir("/proc/self/fd"))
    grown.enable_msix()
    assert grown.device.connected == {vfio.PCI_MSIX_IRQ: [-1]}
    assert len(os.listdir("/proc/self/fd")) == before and not grown.machine.messages()
    grown.vector(2, *GOOD)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert grown.delivered() == {2: GOOD}
    assert grown.device.connected[vfio.PCI_MSIX_IRQ][:2] == [-1, -1]
    event = grown.device.connected[vfio.PCI_MSIX_IRQ][2]
    for _ in range(3):
        grown.store(MASK + 32, 1)
        assert grown.delivered() == {}
        grown.store(MASK + 32, 0)
    assert grown.delivered() == {2: GOOD}
    assert grown.device.connected[vfio.PCI_MSIX_IRQ][2] == event
    grown.configure(MSIX + 2, 2, 0)
    grown.enable_msix()
    assert grown.delivered() == {2: GOOD}, "the table keeps what its owner wrote"
    assert grown.device.connected[vfio.PCI_MSIX_IRQ][2] == event
    assert len(grown.machine.messages()) == 1, "and its number"


def test_a_device_may_have_more_vectors_than_an_instance_has_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2,048 of them, of which its driver uses two."""
    device = FakeDevice()
    monkeypatch.setattr(routes, "LAST", routes.FIRST_MESSAGE + 1)
    owner = Owner(device=device)
    owner.enable_msix()
    owner.vector(0, *GOOD)
    owner.vector(2, *GOOD)
    assert owner.delivered() == {0: GOOD, 2: GOOD} and not owner.said
    owner.vector(1, *GOOD)
    assert owner.delivered() == {0: GOOD, 2: GOOD}
    assert "cannot have 1 interrupt messages more" in owner.said[-1]
    assert set(messages(owner)) == {"MSI-X 0", "MSI-X 2"}
    owner.interrupts.close()


def test_more_open_files_are_had_when_they_run_out() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    owner = Owner()
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        owner.enable_msix()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limits[1], limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(owner.device.connected[vfio.PCI_MSIX_IRQ]) == 3 and not owner.said
    owner.interrupts.close()


def test_where_no_more_files_are_to_be_had_it_has_fewer_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = Owner()
    plain, left = os.eventfd, [2]

    def eventfd(*arguments: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(24, "Too many open files")
        return plain(*arguments)

    monkeypatch.setattr(os, "eventfd", eventfd)
    monkeypatch.setattr(module, "more_files", lambda: None)
    owner.enable_msix()
    for number in range(3):
        owner.vector(number, *GOOD)
    assert owner.delivered() == {0: GOOD, 1: GOOD} and "2 of its 3" in owner.said[-1]
    assert "Too many open files" in owner.said[-1] and "ulimit -Hn" in owner.said[-1]
    owner.interrupts.close()


# ---- a card with as many as there can be


@pytest.fixture
def room_for_files() -> Iterator[None]:
    """A test's own process has as few open files as an instance at first."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("one_by_one", [False, True], ids=["at once", "one by one"])
def test_all_of_2048_vectors_are_used(room_for_files: None, one_by_one: bool) -> None:
    """As Linux uses them: all set up and masked, then each is given its message and unmasked."""
    function, device = with_vectors(2048, one_by_one)
    owner = Owner(function=function, device=device)
    owner.enable_msix(masked=True)
    owner.enable_msix()
    for number in range(2048):
        owner.vector(number, *GOOD, table=0)
    assert owner.delivered() == dict.fromkeys(range(2048), GOOD) and not owner.said
    owner.interrupts.close()


def test_one_message_of_many_costs_what_one_of_few_does(room_for_files: None) -> None:
    """KVM takes the whole table each time; of ours, only the one entry is written."""
    written: list[int] = []

    class Counted(RoutingTable):
        def put(self, message: routes.RoutedMessage) -> None:
            before = bytes(self.text)
            super().put(message)
            changed = zip(before, self.text, strict=False)
            written.append(sum(a != b for a, b in changed) + len(self.text) - len(before))

    function, device = with_vectors(300, True)
    owner = Owner(function=function, device=device)
    owner.interrupts.routes._table = Counted()
    owner.enable_msix()
    for number in range(300):
        owner.vector(number, *GOOD, table=0)
    assert len(written) == 300 and max(written) <= 48 + 2  # an entry, and the header's count
    del written[:]
    owner.configure(MSIX + 2, 2, 0xC000)
    owner.enable_msix()
    owner.store(TABLE_BAR + 12, 1)
    owner.store(TABLE_BAR + 12, 0)
    assert owner.delivered() == dict.fromkeys(range(300), GOOD)
    assert not written, "masked and unmasked, a vector has the message it had"
    owner.interrupts.close()


# ---- the table is asked


def test_a_message_to_memory_is_not_connected() -> None:
    """On a machine its device would write there; KVM would look at a part of the address."""
    owner = Owner()
    owner.enable_msix()
    owner.vector(0, *GOOD)
    owner.store(MASK, 1)
    owner.vector(0, 0x1000, 0x31)
    assert owner.delivered() == {} and not owner.machine.irqfds
    assert messages(owner) == {
        "MSI-X 0": "refused: the message goes to 0x1000, where no processor listens"
    }
    owner.store(MASK, 1)
    owner.vector(0, *GOOD)
    assert owner.delivered() == {0: GOOD}
    owner.configure(MSIX + 2, 2, 0)
    owner.configure(MSI + 2, 2, 1)
    assert messages(owner) == {"MSI 0": "refused: no message is programmed"}
    owner.interrupts.close()


def test_what_another_owns_is_not_connected() -> None:
    """The table decides, and not who holds the descriptor."""
    owner = Owner()
    owner.interrupts.routes.table = table_of(BLUE._replace(functions=()), (FUNCTION,))
    owner.interrupts.use_nothing()
    owner.interrupts.use_line()
    assert owner.device.connected == {} and "blue does not own it" in owner.said[-1]
    owner.enable_msix()
    owner.vector(0, *GOOD)
    assert owner.delivered() == {}
    owner.interrupts.close()


def test_the_table_of_an_instance_has_every_row() -> None:
    lines = ("NMI: 1 2", "LOC: 3 4", "RES: 5 6", "TLB: 0 1", "CAL: 7 8", "MCE: 0 0", "PMI: 1 1")
    text = "\n".join(("  CPU0 CPU1", *lines))
    rows = table_of(BLUE, (FUNCTION,)).rows(counted(text))
    assert missing(rows) == []
    assert {row["delivery"] for row in rows if row["request"] != "none"} == {DELIVER}
    assert rows[3]["line"] == "RES+CAL+TLB" and rows[3]["count"] == 27
    without = table_of(BLUE, (FUNCTION,)).rows(counted("  CPU0\nNMI: 1 x\n"))
    assert "timer is not counted" in missing(without)
