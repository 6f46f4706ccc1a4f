"""What happens when an instance touches a function it owns? Stories 2, 3 and 4, on fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.errors import HostProblem
from septum.layouts import vfio
from septum.units import PAGE, KiB, MiB, Span
from tests.instance.fakes import (
    EXPRESS,
    FUNCTION,
    LINE,
    MEMORY,
    MSI,
    MSIX,
    PENDING,
    PORTS,
    RAM,
    TABLE,
    TABLE_BAR,
    FakeDevice,
    Owner,
    with_vectors,
)

FIRST = (0xFEE01000, 0x4023)
SECOND = (0xFEE00000, 0x4031)


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.interrupts.close()


# ---- BARs

WHOLE, OPEN = Span(MEMORY, 128 * KiB), Span(TABLE_BAR, TABLE)


def test_registers_are_leased_while_they_are_decoded(owner: Owner) -> None:
    """No access of the owner's need trap, whatever its instruction: KVM emulates few of them."""
    assert owner.machine.spans == [WHOLE, OPEN]
    assert owner.load(MEMORY + 8) is None and owner.load(MEMORY + 128 * KiB - 4) is None
    owner.store(MEMORY, 1)
    assert owner.exits == 0
    assert owner.space.leases.granted["processor"] == 3, "memory, and two BARs"


@settings(deadline=None)
@given(
    bar=some.sampled_from([16, 1 * KiB, 4 * KiB, 64 * KiB, 128 * KiB, 4 * MiB]),
    vectors=some.integers(1, 2048),
    table=some.integers(0, 7).map(lambda page: page * 4 * KiB + page % 3 * 64),
)
def test_no_first_touch_is_emulated(bar: int, vectors: int, table: int) -> None:
    """Every page that decoding opens is leased by then, but those of the interrupt table."""
    function, device = with_vectors(vectors, False, table=table)
    first = function.bars[0]._replace(span=Span(0xFE000000, bar))
    device.regions = (device.regions[0]._replace(size=bar), *device.regions[1:])
    owner = Owner(function=function._replace(bars=(first, *function.bars[1:])), device=device)
    for switched in (None, 0x0001, 0x0007):
        if switched is not None:
            owner.command(switched)
        decoded = switched != 0x0001
        for start, size, trapped in (
            (first.span.start, bar, ()),
            (TABLE_BAR, 128 * KiB, (Span(table, 16 * vectors), Span(64 * KiB, vectors // 8 + 8))),
        ):
            pages = {offset - offset % PAGE for span in trapped
                     for offset in range(span.start, span.end, 8)}  # fmt: skip
            for offset in range(0, size, PAGE):
                leased = any(span.contains(start + offset) for span in owner.machine.spans)
                assert leased == (decoded and offset not in pages), hex(offset)
    assert owner.exits == 0
    owner.interrupts.close()


def test_devices_hold_the_same_as_processors() -> None:
    owner = Owner(with_devices=True)
    assert sorted(owner.container.maps) == [RAM, WHOLE, OPEN]
    assert owner.container.maps[WHOLE] == owner.device.mapped(0)
    owner.command(0x0001)
    assert sorted(owner.container.maps) == [RAM], "switched off, its devices reach it no more"
    owner.command(0x0002)
    owner.space.revoke(owner.function.at, 0)
    assert sorted(owner.container.maps) == [RAM, OPEN] and owner.machine.spans == [OPEN]
    owner.load(MEMORY)
    assert sorted(owner.container.maps) == [RAM, WHOLE, OPEN]
    owner.interrupts.close()


def test_devices_may_go_without_registers() -> None:
    """Linux may refuse to map them for DMA: that is optional, and said."""
    owner = Owner(with_devices=True)
    owner.container.refuses = True
    owner.command(0x0001)
    owner.command(0x0002)
    assert owner.machine.spans == [WHOLE, OPEN] and sorted(owner.container.maps) == [RAM]
    assert "not reached by its owner's devices" in owner.said[-1]
    owner.interrupts.close()


def test_switching_off_takes_back_before_the_device_obeys(owner: Owner) -> None:
    """Another processor's touch meanwhile must trap, not fault on a mapping that is dead."""
    held: list[int] = []
    write = owner.device.write

    def written(region: int, offset: int, width: int, value: int) -> None:
        held.append(len(owner.machine.spans))
        write(region, offset, width, value)

    owner.device.write = written
    owner.command(0x0001)
    assert held == [0]
    owner.command(0x0002)
    assert held == [0, 0] and len(owner.machine.spans) == 2


def test_two_processors_may_touch_at_once(owner: Owner) -> None:
    """Both have left the guest when the first one's lease is installed."""
    owner.space.revoke(owner.function.at, None)
    owner.load(MEMORY)
    owner.processor.at_memory(MEMORY + 16, 4)
    from septum.engine.kvm.exits import answer

    answer(owner.stop)
    assert owner.device.reads[-1] == (0, 16, 4)
    assert owner.space.leases.granted["processor"] == 4 and not owner.said


def test_revoking_makes_the_next_access_trap_and_be_decided_anew(owner: Owner) -> None:
    (taken,) = owner.space.revoke(owner.function.at, 0)
    assert taken.span == WHOLE and taken.what.bar == 0
    assert owner.machine.spans == [OPEN]
    owner.device.bytes[0][8:12] = b"\x78\x56\x34\x12"
    assert owner.load(MEMORY + 8) == 0x12345678 and owner.load(MEMORY) is None
    assert len(owner.space.revoke(owner.function.at, None)) == 2 and owner.machine.spans == []
    assert owner.space.revoke(owner.function.at, None) == []
    assert (owner.space.leases.granted, owner.space.leases.revoked) == (
        {"processor": 4, "devices": 0},
        {"processor": 3, "devices": 0},
    )


def test_a_store_is_a_touch_too(owner: Owner) -> None:
    owner.space.revoke(owner.function.at, 0)
    owner.device.writes.clear()
    owner.store(MEMORY + 4, 0xABCD, width=2)
    assert owner.device.writes == [(0, 4, 2, 0xABCD)] and WHOLE in owner.machine.spans


def test_held_back_every_access_is_traced(owner: Owner) -> None:
    address = owner.function.at
    owner.space.revoke(address, 0, hold_back=True)
    for _ in range(3):
        assert owner.load(MEMORY) == 0
    assert owner.space.emulated == {f"{address} BAR 0": 3} and owner.machine.spans == [OPEN]
    owner.command(0x0001)
    owner.command(0x0002)
    assert owner.load(MEMORY) == 0, "switching decoding off and on is no way out"
    owner.space.let_go(address, 0)
    owner.load(MEMORY)
    assert owner.load(MEMORY) is None


def test_when_linux_will_not_map_each_access_is_forwarded(owner: Owner) -> None:
    owner.command(0x0001)
    owner.device.refuses.add("map")
    owner.command(0x0002)
    said = len(owner.said)
    assert owner.load(MEMORY) == 0 and owner.load(MEMORY) == 0
    assert said == len(owner.said) == 2 and "BAR 0 is not mapped" in owner.said[0]


def test_only_the_table_stays_trapped(owner: Owner) -> None:
    assert owner.machine.spans == [WHOLE, OPEN]
    assert owner.load(TABLE_BAR + TABLE + 12) == 1, "the table of the owner's, masked"
    assert owner.load(TABLE_BAR + TABLE + 12) == 1
    assert owner.load(TABLE_BAR + PENDING) == 0
    assert owner.device.reads[-1] == (1, PENDING, 4), "pending bits are the device's"
    assert owner.machine.spans == [WHOLE, OPEN]


def test_a_card_that_was_changed_is_refused() -> None:
    """VFIO's region is what there is; a BAR larger than it would lead to our own memory."""
    for size in (256 * KiB, 64 * KiB):
        other = FUNCTION.bars[0]._replace(span=Span(MEMORY, size))
        with pytest.raises(HostProblem, match=r"BAR 0 of .* is not what it was"):
            Owner(function=FUNCTION._replace(bars=(other, *FUNCTION.bars[1:])))


@pytest.mark.parametrize(
    ("identity", "why"),
    [(b"\x86\x80\xd4\x10", "another card stands at"), (b"\xff" * 4, "nothing answers at")],
)
def test_another_card_in_the_same_place_is_refused(identity: bytes, why: str) -> None:
    """What was decided about it is true of the one in the inventory."""
    device = FakeDevice()
    device.bytes[7][:4] = identity
    with pytest.raises(HostProblem, match=why):
        Owner(device=device)


def test_the_machines_own_table_is_never_written(owner: Owner) -> None:
    owner.vector(0, *FIRST)
    owner.store(TABLE_BAR + TABLE, 0xFEE02000_FEE02000, width=8)
    assert not any(region == 1 for region, *_ in owner.device.writes)


def test_ports_are_forwarded(owner: Owner) -> None:
    owner.device.bytes[2][4:8] = b"port"
    assert owner.port(PORTS + 4) == int.from_bytes(b"port", "little")
    assert owner.port(PORTS + 32) == 0xFFFFFFFF


def test_decoding_off_and_on(owner: Owner) -> None:
    owner.command(0x0001)
    assert owner.machine.spans == [] and owner.load(MEMORY) == 0xFFFFFFFF
    assert owner.port(PORTS) == 0
    owner.command(0x0002)
    assert owner.load(MEMORY) is None
    assert owner.port(PORTS) == 0xFFFFFFFF
    assert owner.space.leases.revoked["processor"] == 0, "that was its owner's doing"


def test_a_bar_that_is_moved(owner: Owner) -> None:
    owner.configure(0x10, 4, 0xFEB00000)
    assert owner.load(MEMORY) == 0xFFFFFFFF
    assert owner.machine.spans == [OPEN, Span(0xFEB00000, 128 * KiB)]
    owner.device.bytes[0][0] = 7
    owner.space.revoke(owner.function.at, 0)
    assert owner.load(0xFEB00000) == 7
    owner.configure(0x18, 4, 0xD000)
    assert owner.port(PORTS) == 0xFFFFFFFF and owner.port(0xD000) == 0


def test_a_bar_that_is_measured_answers_nowhere(owner: Owner) -> None:
    owner.configure(0x10, 4, 0xFFFFFFFF)
    assert owner.function.read(0x10, 4) == 0x100000000 - 128 * KiB
    assert owner.load(MEMORY) == 0xFFFFFFFF
    owner.configure(0x10, 4, MEMORY)
    assert owner.load(MEMORY) is None


def test_a_bar_over_memory_or_another_bar_has_no_use(owner: Owner) -> None:
    owner.configure(0x10, 4, RAM.start + MiB)
    assert "overlaps memory" in owner.said[-1]
    owner.configure(0x10, 4, TABLE_BAR & ~(128 * KiB - 1))
    assert "overlaps" in owner.said[-1] and owner.machine.spans == [OPEN]
    owner.configure(0x10, 4, MEMORY)
    owner.command(0x0001)
    owner.command(0x0003)
    assert owner.load(MEMORY) is None


# ---- interrupts


def test_it_begins_with_its_line(owner: Owner) -> None:
    (trigger,) = owner.device.connected[vfio.PCI_INTX_IRQ]
    assert owner.machine.irqfds == {trigger: LINE} and owner.device.unmask >= 0


def test_without_a_line_it_begins_with_nothing() -> None:
    owner = Owner(line=0)
    assert owner.device.connected == {} and owner.interrupts.kind == -1
    owner.enable_msix()
    owner.configure(MSIX + 2, 2, 0)
    assert owner.device.connected == {}
    owner.interrupts.close()


def test_msix_as_linux_uses_it(owner: Owner) -> None:
    """All masked, then the table, then each is unmasked; what is masked is not connected."""
    owner.enable_msix(masked=True)
    assert set(owner.device.connected) == {vfio.PCI_MSIX_IRQ} and owner.delivered() == {}
    assert len(owner.device.connected[vfio.PCI_MSIX_IRQ]) == 3
    owner.vector(0, *FIRST)
    owner.vector(1, *SECOND, masked=1)
    assert owner.delivered() == {}, "the function's mask is over all"
    owner.enable_msix()
    assert owner.delivered() == {0: FIRST}
    owner.store(TABLE_BAR + TABLE + 16 + 12, 0)
    assert owner.delivered() == {0: FIRST, 1: SECOND}
    owner.store(TABLE_BAR + TABLE + 12, 1)
    assert owner.delivered() == {1: SECOND}
    owner.enable_msix(masked=True)
    assert owner.delivered() == {}


def test_a_vector_that_is_sent_elsewhere(owner: Owner) -> None:
    """Linux moves an interrupt to another processor: masked, changed, unmasked."""
    owner.enable_msix()
    owner.vector(2, *FIRST)
    before = dict(owner.machine.irqfds)
    owner.store(TABLE_BAR + TABLE + 32 + 12, 1)
    owner.vector(2, *SECOND)
    assert owner.delivered() == {2: SECOND} and owner.machine.irqfds == before
    assert len(owner.machine.messages()) == 1, "the old route is replaced"


def msi(owner: Owner, vectors: int, mask: int = 0) -> None:
    owner.configure(MSI + 4, 4, FIRST[0])
    owner.configure(MSI + 8, 4, 0)
    owner.configure(MSI + 12, 2, 0x4020)
    owner.configure(MSI + 16, 4, mask)
    owner.configure(MSI + 2, 2, vectors.bit_length() - 1 << 4 | 1)


def test_msi_with_several_vectors(owner: Owner) -> None:
    msi(owner, 4)
    assert owner.delivered() == {n: (FIRST[0], 0x4020 | n) for n in range(4)}
    owner.configure(MSI + 16, 4, 0b0101)
    assert set(owner.delivered()) == {1, 3}
    owner.configure(MSI + 12, 2, 0x4040)
    assert owner.delivered() == {n: (FIRST[0], 0x4040 | n) for n in (1, 3)}


def test_msi_may_be_given_more_vectors_while_it_is_on(owner: Owner) -> None:
    msi(owner, 1)
    assert len(owner.delivered()) == 1
    msi(owner, 4)
    assert len(owner.delivered()) == 4
    msi(owner, 2)
    assert len(owner.delivered()) == len(owner.device.connected[vfio.PCI_MSI_IRQ]) == 2


def test_one_kind_at_a_time(owner: Owner) -> None:
    for _ in range(2):
        msi(owner, 2)
        assert set(owner.device.connected) == {vfio.PCI_MSI_IRQ}
        owner.configure(MSI + 2, 2, 0)
        assert set(owner.device.connected) == {vfio.PCI_INTX_IRQ}
        assert list(owner.machine.irqfds.values()) == [LINE]
        owner.enable_msix()
        assert set(owner.device.connected) == {vfio.PCI_MSIX_IRQ}
        owner.configure(MSIX + 2, 2, 0)
    assert not owner.said
    assert owner.interrupts.kind == vfio.PCI_INTX_IRQ


def test_what_linux_refuses_is_said_and_can_be_tried_again(owner: Owner) -> None:
    owner.device.refuses.add("connect")
    owner.enable_msix()
    owner.vector(0, *FIRST)
    assert "Linux does not connect" in owner.said[-1] and owner.interrupts.kind == -1
    owner.configure(MSIX + 2, 2, 0)
    owner.device.refuses.clear()
    owner.enable_msix()
    assert owner.delivered() == {0: FIRST}
    owner.configure(MSIX + 2, 2, 0)
    assert set(owner.device.connected) == {vfio.PCI_INTX_IRQ}


# ---- reset and the end


def flr(owner: Owner) -> None:
    owner.configure(EXPRESS + 8, 2, 1 << 15)


def test_a_reset_leaves_nothing_decoded_and_the_line(owner: Owner) -> None:
    owner.command(0x0007)
    owner.load(MEMORY)
    owner.enable_msix()
    owner.vector(0, *FIRST)
    flr(owner)
    assert owner.device.resets == 1 and owner.machine.spans == []
    assert owner.load(MEMORY) == 0xFFFFFFFF and owner.port(PORTS) == 0xFFFFFFFF
    assert set(owner.device.connected) == {vfio.PCI_INTX_IRQ} and owner.delivered() == {}
    assert owner.function.read(0x04, 2) == 0
    assert int.from_bytes(owner.device.bytes[7][4:6], "little") == 0, "the device knows it too"
    owner.command(0x0006)
    owner.load(TABLE_BAR)
    assert owner.load(TABLE_BAR + TABLE + 12) == 1, "its vectors are masked again"


def test_a_reset_linux_refuses_still_leaves_nothing(owner: Owner) -> None:
    owner.device.refuses.add("reset")
    owner.command(0x0007)
    flr(owner)
    assert "Linux does not reset" in owner.said[-1]
    assert owner.load(MEMORY) == 0xFFFFFFFF and owner.function.read(0x04, 2) == 0
    assert int.from_bytes(owner.device.bytes[7][4:6], "little") == 0


def test_quiet_means_no_interrupts_and_no_dma() -> None:
    owner = Owner()
    owner.command(0x0007)
    owner.device.refuses.add("reset")
    owner.function.quiet()
    assert owner.device.connected == {} and owner.machine.irqfds == {}
    assert owner.device.bytes[7][4] & 4 == 0 and owner.device.bytes[7][4] & 3 == 3
    assert "was not reset" in owner.said[-1]


def test_dma_stops_even_when_interrupts_cannot_be_disconnected() -> None:
    owner = Owner()
    owner.command(0x0007)
    owner.machine.irqfds.clear()
    with pytest.raises(KeyError):
        owner.function.quiet()
    assert owner.device.bytes[7][4] & 4 == 0 and owner.device.resets == 1


# ---- whatever an owner does


CONFIGURATION = some.tuples(
    some.just("configure"),
    some.sampled_from([4, 0x10, 0x14, 0x18, MSI + 2, MSI + 4, MSI + 16, MSIX + 2, EXPRESS + 8])
    | some.integers(0, 255),
    some.sampled_from([1, 2, 4]),
    some.sampled_from([0, 1, 3, 7, 0x21, 0x81, 0xC000, 0x8000, MEMORY, TABLE_BAR, 0xFFFFFFFF])
    | some.integers(0, 2**32 - 1),
)
ACCESS = some.tuples(
    some.sampled_from(["load", "store"]),
    some.sampled_from([MEMORY, TABLE_BAR, TABLE_BAR + TABLE, TABLE_BAR + TABLE + 12])
    | some.integers(MEMORY, TABLE_BAR + 16 * KiB),
    some.sampled_from([1, 2, 4, 8]),
    some.integers(0, 2**64 - 1),
)
REVOKING = some.tuples(
    some.sampled_from(["revoke", "let go"]),
    some.integers(0, 2),
    some.just(0),
    some.integers(0, 1),
)


@settings(max_examples=200)
@given(some.lists(CONFIGURATION | ACCESS | REVOKING, max_size=40))
def test_no_sequence_breaks_what_must_hold(steps: list[tuple[str, int, int, int]]) -> None:
    owner = Owner(with_devices=True)
    for what, where, width, value in steps:
        if what == "configure":
            owner.configure(where, width, value)
        elif what == "load":
            owner.load(where, width)
        elif what == "revoke":
            owner.space.revoke(owner.function.at, None if where > 1 else where, value % 2 > 0)
        elif what == "let go":
            owner.space.let_go(owner.function.at, None if where > 1 else where)
        else:
            owner.store(where, value, width)
        kinds = set(owner.device.connected)
        assert len(kinds) <= 1, "one kind of interrupts at a time"
        reachable = {event for events in owner.device.connected.values() for event in events}
        assert set(owner.machine.irqfds) <= reachable, "what reaches the guest is in use"
        assert not any(span.overlaps(RAM) for span in owner.machine.spans)
        held = [one for one in owner.space.leases.held("processor") if one.owner != "memory"]
        assert {lease.span for lease in held} == set(owner.machine.spans)
        devices = {lease.span for lease in owner.space.leases.held("devices")}
        assert devices == set(owner.container.maps) == {RAM, *owner.machine.spans}
        enabled = {bar.index for bar in owner.function.configuration.bars if bar.enabled}
        assert {lease.what.bar for lease in held} <= enabled
        assert all(
            not Span(lease.what.offset, lease.span.size).overlaps(Span(TABLE, 4 * KiB))
            for lease in held
            if lease.what.bar == 1
        )
    assert not any(
        region == 1 and TABLE <= offset < TABLE + 48 for region, offset, *_ in owner.device.writes
    ), "the machine's own table was written"
    owner.function.quiet()
    assert owner.machine.irqfds == {} and owner.device.connected == {}
