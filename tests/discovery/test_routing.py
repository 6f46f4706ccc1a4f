"""Does each pin arrive where an OS that swizzles by the book expects it?"""

from __future__ import annotations

from septum.discovery.routing import route
from septum.discovery.view import view
from septum.units import PciAddress
from tests.discovery.test_view import a_partition, seen, two_roots
from tests.machines import LSI53C895A, a_function, a_machine, address


def test_functions_of_a_root_bus_and_behind_a_port() -> None:
    routing = route(seen("00:04.0", "01:00.0"))
    assert routing.gsi_of == {address("01:00.0"): 16, address("00:04.0"): 17}
    assert [tuple(entry) for entry in routing.prt] == [(0, 0, 1, 0, 16), (0, 0, 4, 0, 17)]


def test_pins_are_exchanged_at_each_bridge() -> None:
    routing = route(seen("42:00.0", "42:00.1", machine=two_roots()))
    assert [tuple(entry) for entry in routing.prt] == [
        (0, 0x40, 3, 0, 16),
        (0, 0x40, 3, 1, 17),
    ]
    assert routing.gsi_of == {address("42:00.0"): 16, address("42:00.1"): 17}


def test_a_device_number_turns_the_pin() -> None:
    bridge = next(f for f in a_machine().functions if f.bridge)
    card = a_function("01:03.0", interrupt_pin=2, parent=bridge.address)
    machine = a_machine(functions=tuple(sorted((*a_machine().functions, card))))
    (entry,) = route(seen("01:03.0", machine=machine)).prt
    assert (entry.device, entry.pin) == (1, 0), "INTB at device 3 is INTA above"


def test_more_pins_than_inputs_share() -> None:
    cards = tuple(a_function(f"00:{n:02x}.0", **LSI53C895A) for n in range(8, 20))
    machine = a_machine(functions=(*a_machine().functions[:1], *cards))
    routing = route(seen(*(str(card.address) for card in cards), machine=machine))
    assert sorted(set(routing.gsi_of.values())) == list(range(16, 24))
    assert len(routing.prt) == len(cards)


def test_a_function_without_a_pin_has_no_line() -> None:
    machine = a_machine()
    assert route(view(machine, a_partition("00:06.0"))).gsi_of == {PciAddress(0, 0, 6, 0): 16}
    assert route(seen("00:1f.0")).gsi_of == {}
