"""Does the whole path from an instruction to an answer hold? Tiny guests on a real /dev/kvm."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from septum.engine.kvm.exits import TRIPLE_FAULT
from septum.layouts import kvm
from septum.shared.power import POWER_OFF, RESET
from tests.instance import guests
from tests.instance.fakes import MEMORY, Owner
from tests.instance.guests import Guest

pytestmark = pytest.mark.skipif(
    not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here"
)
Make = Callable[[bytes], Guest]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Guest] = []

    def make(program: bytes) -> Guest:
        made.append(Guest(program))
        return made[-1]

    yield make
    for guest in made:
        guest.close()


def test_it_speaks_and_switches_itself_off(make: Make) -> None:
    guest = make(guests.HI)
    assert guest.run() == POWER_OFF and guest.said == b"Hi"
    assert guest.stop.owners == {"serial 1": 2, "PM1 control": 1}


@pytest.mark.parametrize("last", ["06", "0e"])
def test_it_resets_as_linux_does(make: Make, last: str) -> None:
    """reboot=p: read what is there, ask for a hard reset, then do it."""
    ask = "66baf90c" + "ec" + "b002ee" + "ec" + "b0" + last + "ee"  # in al, dx; mov al; out dx, al
    assert make(guests.code(ask)).run() == RESET


def test_it_hears_the_power_button(make: Make) -> None:
    guest = make(guests.LISTEN + guests.HI)
    assert not guest.power.press(), "it does not run yet"
    assert guest.run() == POWER_OFF and guest.said == b"Hi"


def test_a_triple_fault_ends_it(make: Make) -> None:
    guest = make(guests.TRIPLE_FAULT)
    assert guest.run() == TRIPLE_FAULT and "rip" in guest.stop.detail


def test_memory_that_is_nobodys_is_all_ones(make: Make) -> None:
    guest = make(guests.load_from(0xD0000000))
    assert guest.run() == POWER_OFF
    assert guest.result() == 0xFFFFFFFF and guest.stop.owners["no memory"] == 1


def test_a_register_of_its_own_device(make: Make) -> None:
    """After a revoke a real load is a touch: judged, leased anew, and the value is right."""
    guest = make(guests.load_from(MEMORY + 16))
    owner: Owner = guest.owner
    owner.space.revoke(owner.function.at, 0)
    owner.device.bytes[0][16:20] = b"\xef\xbe\xad\xde"
    assert guest.run() == POWER_OFF and guest.result() == 0xDEADBEEF
    assert owner.space.leases.granted["processor"] == 4


def test_a_scan_of_bus_0_finds_what_is_exposed(make: Make) -> None:
    guest = make(guests.SCAN)
    assert guest.run() == POWER_OFF
    found = {n: guest.result(n) for n in range(256) if guest.result(n) != 0xFFFFFFFF}
    assert set(found) == {0, 3 * 8}, "the host bridge, and its own at device 3"
    assert found[24] == 0x10D38086
    assert len(guest.buses.probes.absent()) == 254
    assert guest.stop.reasons == {"port write": 257, "port read": 256}


@pytest.mark.parametrize("instruction", ["90ee", "90ef", "90ec", "90ed"])
def test_no_port_harms_the_vmm(make: Make, instruction: str) -> None:
    """OUT and IN of AL and EAX, wherever something answers and around it."""
    begun = time.monotonic()
    ranges = ((0x60, 0x90), (0x3F0, 0x410), (0x5F0, 0x620), (0xC00, 0xD08), (0xFFF0, 0xFFFF))
    program = b"".join(guests.every_port(instruction, *ports) for ports in ranges)
    guest = make(program)
    assert guest.run() == POWER_OFF
    assert time.monotonic() - begun < 60
    assert {"serial 1", "PCI configuration", "PM1 event", "real-time clock"} <= set(
        guest.stop.owners
    )


def test_every_port_may_be_written(make: Make) -> None:
    guest = make(guests.every_port("90ee"))
    assert guest.run() == POWER_OFF
    assert guest.stop.owners["no port"] > 60_000
