"""What stands on an instance's board besides its own devices? The few legacy ports that answer.

PIC, IOAPIC, PIT and local APICs are KVM's. Everything not named here is absent: all ones.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.layouts import acpi, cmos, i8042, pci, uart
from septum.shared.clock import PowerTimer, RealTimeClock
from septum.shared.power import PowerManagement
from septum.shared.serial import SerialPort
from septum.translation.physical import Access, PhysicalMap, played, split
from septum.translation.verdict import all_ones
from septum.units import Span

Read = Callable[[int, int], int]  # (offset in the span, width in bytes) -> value
Write = Callable[[int, int, int], None]


def legacy_ports(
    ports: PhysicalMap,
    serial: SerialPort,
    power: PowerManagement,
    mechanism: ConfigurationMechanism,
) -> None:
    """Let the board's ports answer."""
    clock = RealTimeClock()
    timer = PowerTimer()

    def play(span: Span, by: str, read: Read, write: Write) -> None:
        ports.place(played(span, by, split(span.start, read, write)))

    play(
        uart.SERIAL_1,
        "serial 1",
        lambda offset, width: serial.read(offset),
        lambda offset, width, value: serial.write(offset, value & all_ones(1)),
    )
    play(
        cmos.PORTS,
        "real-time clock",
        lambda offset, width: clock.read(offset),
        lambda offset, width, value: clock.write(offset, value & all_ones(1)),
    )
    play(
        Span(acpi.PM1A_EVENT, acpi.PM1A_EVENT_SIZE),
        "PM1 event",
        lambda offset, width: _bytes_read(power.event_read, offset, width),
        lambda offset, width, value: _bytes_write(power.event_write, offset, width, value),
    )
    play(
        Span(acpi.PM1A_CONTROL, acpi.PM1A_CONTROL_SIZE),
        "PM1 control",
        lambda offset, width: power.control_read() >> 8 * offset & all_ones(width),
        lambda offset, width, value: power.control_write(value << 8 * offset),
    )
    play(
        Span(acpi.PM_TIMER, acpi.PM_TIMER_SIZE),
        "PM timer",
        lambda offset, width: timer.read() >> 8 * offset & all_ones(width),
        _dropped,
    )
    play(Span(i8042.COMMAND_PORT, 1), "keyboard controller", _empty, _keyboard(power))
    play(Span(i8042.DATA_PORT, 1), "keyboard data", _empty, _dropped)
    play(Span(i8042.DELAY, 1), "delay", _empty, _dropped)
    ports.place(
        played(Span(pci.ADDRESS_PORT, 8), "PCI configuration", _configuration(power, mechanism))
    )


def _configuration(power: PowerManagement, mechanism: ConfigurationMechanism) -> Access:
    """Mechanism #1 takes dwords at 0xCF8 and all widths at 0xCFC; a byte at 0xCF9 is the
    reset control register."""

    def access(port: int, width: int, value: int | None) -> int:
        is_reset = width == 1 and port == acpi.RESET_PORT
        if value is None:
            return power.reset_read() if is_reset else mechanism.port_read(port, width)
        if is_reset:
            power.reset_write(value)
        else:
            mechanism.port_write(port, width, value)
        return 0

    return access


def _empty(offset: int, width: int) -> int:
    return i8042.STATUS_EMPTY


def _dropped(offset: int, width: int, value: int) -> None:
    return


def _keyboard(power: PowerManagement) -> Write:
    return lambda offset, width, value: power.keyboard_write(value & all_ones(1))


def _bytes_read(read: Callable[[int], int], offset: int, width: int) -> int:
    return int.from_bytes(bytes(read(offset + n) for n in range(width)), "little")


def _bytes_write(write: Callable[[int, int], None], offset: int, width: int, value: int) -> None:
    for n in range(width):
        write(offset + n, value >> 8 * n & all_ones(1))
