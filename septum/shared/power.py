"""How does an instance switch itself off or start anew, and hear the power button?

ACPI's registers and the old ways. Who presses the button asks; whether to go is the OS's to say.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import acpi, i8042
from septum.layouts.ich9 import ResetControl

POWER_OFF = "power off"
RESET = "reset"


class PowerManagement:
    """PM1 event and control registers, the reset register, and the keyboard controller's reset.

    `ask` is called with POWER_OFF or RESET when the OS wants it; `interrupt` with the level of
    the system control interrupt when that changes. ACPI 6.4, 4.8.3.
    """

    def __init__(self, ask: Callable[[str], None], interrupt: Callable[[int], None]) -> None:
        self._ask = ask
        self._interrupt = interrupt
        self._status = 0
        self._enable = 0
        self._level = 0
        self._is_held = False  # the button, until the OS listens
        self._sleep_type = 0
        self._reset = ResetControl(0)

    # ---- the power button

    def press(self) -> bool:
        """Press the power button; whether the OS listens for it now. ACPI 6.4, 4.8.2.2.1.

        When it does not yet, the button is held down until it does: a system that is starting
        would forget what came before its driver. A second press changes nothing.
        """
        is_heard = bool(acpi.Pm1Enable(self._enable).power_button)
        self._is_held = not is_heard
        self._status = int(acpi.Pm1Status(self._status).but(power_button=1))
        self._settle()
        return is_heard

    def event_read(self, offset: int) -> int:
        """One byte of the PM1 event block: status, then enable."""
        return self._events >> 8 * offset & _BYTE if offset < acpi.PM1A_EVENT_SIZE else 0

    def event_write(self, offset: int, value: int) -> None:
        """Status bits are cleared by writing 1; enable bits are kept."""
        if offset >= acpi.PM1A_EVENT_SIZE:
            return
        was_heard = acpi.Pm1Enable(self._enable).power_button
        shift = 8 * (offset - acpi.Pm1Enable.offset)
        if shift < 0:
            self._status &= ~(value << 8 * offset)
        else:
            self._enable = self._enable & ~(_BYTE << shift) | value << shift
        if self._is_held and not was_heard and acpi.Pm1Enable(self._enable).power_button:
            self.press()
        self._settle()

    @property
    def _events(self) -> int:
        return self._enable << 8 * acpi.Pm1Enable.offset | self._status

    def _settle(self) -> None:
        """The interrupt is asserted as long as an event is that is enabled."""
        level = int(bool(self._status & self._enable))
        if level != self._level:
            self._level = level
            self._interrupt(level)

    # ---- off, and anew

    def control_read(self) -> int:
        """PM1 control: ACPI mode is always on."""
        return int(acpi.Pm1Control(0).but(sci_enable=1, sleep_type=self._sleep_type))

    def control_write(self, value: int) -> None:
        """Sleep type with sleep enable set: S5 is the only sleep there is."""
        asked = acpi.Pm1Control(value)
        self._sleep_type = asked.sleep_type
        if asked.sleep_enable and asked.sleep_type == acpi.SLEEP_TYPE_OFF:
            self._ask(POWER_OFF)

    def reset_read(self) -> int:
        """The reset control register, which the FADT names: as it was written."""
        return int(self._reset)

    def reset_write(self, value: int) -> None:
        """Any reset is one to an instance: it has no firmware that could tell them apart."""
        before = self._reset
        self._reset = ResetControl(value & ResetControl.mask(*ResetControl.fields))
        if self._reset.reset_processor and not before.reset_processor:
            self._ask(RESET)

    def keyboard_write(self, value: int) -> None:
        """The keyboard controller's command port."""
        if value & i8042.PULSE_MASK == i8042.PULSE and not value & i8042.PULSE_NOT_RESET:
            self._ask(RESET)


_BYTE = (1 << 8) - 1
