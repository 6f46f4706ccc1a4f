"""What is kept of the ports that an instance asks for, when it asks for them all?"""

from __future__ import annotations

from septum.engine.alpha.vmm.view.ports import Ports
from septum.layouts import tsunami
from septum.translation.physical import PhysicalMap, played
from septum.units import Span


def test_only_ports_that_answer_are_kept() -> None:
    absent: list[int] = []
    asked: list[int] = []

    def answers(number: int, width: int, value: int | None) -> int:
        asked.append(number)
        return 7

    regions = PhysicalMap(1)
    regions.place(played(Span(0x3F8, 8), "serial", answers))
    ports = Ports(regions, 10**9, lambda cycles: None, lambda: None, absent.append)
    start = tsunami.PCI_IO.start
    for number in range(0, 100_000):
        value = ports.access(start + number, 1, None)
        assert value == (7 if 0x3F8 <= number < 0x400 else tsunami.FREE_PORT)
    assert len(absent) == 100_000 - 8 and len(asked) == 8
    assert len(ports._answering) == 8, "there are 2**25 port numbers"
