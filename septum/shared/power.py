"""How does an instance switch itself off or start anew? ACPI's registers and the old ways."""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import acpi, i8042

POWER_OFF = "power off"
RESET = "reset"


class PowerManagement:
    """PM1 event and control registers, the reset register, and the keyboard controller's reset.

    `ask` is called with POWER_OFF or RESET when the OS wants it. ACPI 6.4, 4.8.3.
    """

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self._enable = bytearray(2)
        self._sleep_type = 0

    def event_read(self, offset: int) -> int:
        """One byte of the PM1 event block: status (never set), then enable."""
        inside = offset - acpi.Pm1Enable.offset
        return self._enable[inside] if 0 <= inside < len(self._enable) else 0

    def event_write(self, offset: int, value: int) -> None:
        """Status bits are cleared by writing; enable bits are kept."""
        inside = offset - acpi.Pm1Enable.offset
        if 0 <= inside < len(self._enable):
            self._enable[inside] = value

    def control_read(self) -> int:
        """PM1 control: ACPI mode is always on."""
        return int(acpi.Pm1Control(0).but(sci_enable=1, sleep_type=self._sleep_type))

    def control_write(self, value: int) -> None:
        """Sleep type with sleep enable set: S5 is the only sleep there is."""
        asked = acpi.Pm1Control(value)
        self._sleep_type = asked.sleep_type
        if asked.sleep_enable and asked.sleep_type == acpi.SLEEP_TYPE_OFF:
            self._ask(POWER_OFF)

    def reset_write(self, value: int) -> None:
        """The reset register of the FADT."""
        if value == acpi.RESET_VALUE:
            self._ask(RESET)

    def keyboard_write(self, value: int) -> None:
        """The keyboard controller's command port."""
        if value == i8042.PULSE_RESET:
            self._ask(RESET)
