"""Which interrupt line is served next? A pair of 8259A controllers, as pure state.

At the start it is as firmware leaves it: initialised, edge-triggered, the sixteen lines' vectors
following one another from `base`, all lines masked.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import pic


class _Controller:
    """One 8259A. `inputs` are levels; `request`, `service` and `mask` its three registers."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.inputs = self.request = self.service = 0
        self.mask = pic.ALL
        self.level = 0  # lines that are level-triggered
        self.lowest = pic.LINES - 1  # the line of the lowest priority
        self.automatic_end = False
        self.special_mask = False
        self.expected: list[int] = []  # initialisation words still to come: 2, 3, 4
        self.reads_service = False
        self.polled = False

    def set_input(self, line: int, level: int) -> None:
        """The level of one line changes: a rising edge requests, a low line withdraws."""
        bit = 1 << line
        if level:
            if not self.inputs & bit:
                self.request |= bit
            self.inputs |= bit
        else:
            self.inputs &= ~bit
            self.request &= ~bit

    @property
    def waiting(self) -> int | None:
        """The line that would be acknowledged now, or None."""
        open_requests = (self.request | self.inputs & self.level) & ~self.mask
        if not open_requests:
            return None
        for step in range(1, pic.LINES + 1):
            line = self.lowest + step & pic.LINE_BITS
            if self.service >> line & 1 and not self.special_mask:
                return None
            if open_requests >> line & 1 and not self.service >> line & 1:
                return line
        return None

    def acknowledge(self) -> int:
        """The waiting line goes into service; the spurious line when none waits."""
        line = self.waiting
        if line is None:
            return pic.SPURIOUS
        bit = 1 << line
        self.request &= ~bit
        if not self.automatic_end:
            self.service |= bit
        return line

    def read(self, is_data: int) -> int:
        """The mask, or the register the last OCW3 chose."""
        if self.polled:
            self.polled = False
            line = self.waiting
            return 0 if line is None else pic.POLLED | self.acknowledge()
        if is_data:
            return self.mask
        if self.reads_service:
            return self.service
        return (self.request | self.inputs & self.level) & pic.ALL

    def write(self, is_data: int, value: int) -> None:
        """A command, an initialisation word, or the mask."""
        if is_data:
            if self.expected:
                self._initialization_word(self.expected.pop(0), value)
            else:
                self.mask = value
        elif value & pic.INITIALIZE:
            self._initialize(value)
        elif value & pic.OCW3:
            self._operation_3(value)
        else:
            self._operation_2(value)

    def _initialize(self, value: int) -> None:
        self.request = self.service = self.mask = 0
        self.lowest = pic.LINES - 1
        self.automatic_end = self.special_mask = self.reads_service = self.polled = False
        words = [2] if value & pic.SINGLE else [2, 3]
        self.expected = [*words, 4] if value & pic.NEEDS_ICW4 else words

    def _initialization_word(self, number: int, value: int) -> None:
        if number == 2:
            self.base = value & pic.VECTOR_BASE_BITS
        elif number == 4:
            self.automatic_end = bool(value & pic.AUTOMATIC_END)

    def _operation_2(self, value: int) -> None:
        line: int | None = value & pic.LINE_BITS
        if not value & pic.SPECIFIC:
            line = self._highest_in_service()
        if value & pic.END and line is not None:
            self.service &= ~(1 << line)
        if value & pic.ROTATE and line is not None and value & (pic.END | pic.SPECIFIC):
            self.lowest = line

    def _highest_in_service(self) -> int | None:
        order = (self.lowest + step & pic.LINE_BITS for step in range(1, pic.LINES + 1))
        return next((line for line in order if self.service >> line & 1), None)

    def _operation_3(self, value: int) -> None:
        if value & pic.MASK_MODE:
            self.special_mask = bool(value & pic.SPECIAL_MASK)
        if value & pic.POLL:
            self.polled = True
        elif value & pic.READ_REGISTER:
            self.reads_service = bool(value & pic.READ_SERVICE)


class InterruptControllers:
    """Sixteen lines, two controllers; `output` gets the level of the first one's INT pin."""

    def __init__(self, output: Callable[[int], None], base: int = 0) -> None:
        self._output = output
        self._level = 0
        self.first = _Controller(base)
        self.second = _Controller(base + pic.LINES)

    @property
    def level(self) -> int:
        """The INT pin: 1 when an interrupt waits that is neither masked nor outranked."""
        return self._level

    def set_line(self, line: int, level: int) -> None:
        """Interrupt line 0 to 15 changes its level."""
        if line < pic.LINES:
            self.first.set_input(line, level)
        else:
            self.second.set_input(line - pic.LINES, level)
        self._update()

    def acknowledge(self) -> int:
        """What an interrupt acknowledge cycle gives: a vector, `base` + line."""
        line = self.first.acknowledge()
        vector = self.first.base + line
        if line == pic.CASCADE:
            vector = self.second.base + self.second.acknowledge()
        self._update()
        return vector

    def read(self, port: int) -> int:
        """A port of either controller, or of the trigger registers."""
        if pic.TRIGGER.contains(port):
            return (self.first, self.second)[port - pic.TRIGGER.start].level
        value = self._of(port).read(port & 1)
        self._update()
        return value

    def write(self, port: int, value: int) -> None:
        """A port of either controller, or of the trigger registers."""
        if pic.TRIGGER.contains(port):
            (self.first, self.second)[port - pic.TRIGGER.start].level = value
        else:
            self._of(port).write(port & 1, value)
        self._update()

    def _of(self, port: int) -> _Controller:
        return self.first if pic.FIRST.contains(port) else self.second

    def _update(self) -> None:
        self.first.set_input(pic.CASCADE, 1 if self.second.waiting is not None else 0)
        if self.second.waiting is not None and not self.first.service >> pic.CASCADE & 1:
            self.first.request |= 1 << pic.CASCADE
        level = 1 if self.first.waiting is not None else 0
        if level != self._level:
            self._level = level
            self._output(level)
