"""Who interrupts which processor, and what is the chipset? The Cchip and Dchip registers."""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import tsunami

_DEVICES = (1 << tsunami.ERROR_REQUESTS.start) - 1
_ERRORS = tsunami.ALL_ONES & ~_DEVICES
_INTERVAL = tsunami.Miscellaneous.fields["interval"]
_INTERPROCESSOR = tsunami.Miscellaneous.fields["interprocessor"]
_REQUEST = tsunami.Miscellaneous.fields["interprocessor_request"]
_WON = tsunami.Miscellaneous.fields["arbitration_won"]
_TRY = tsunami.Miscellaneous.fields["arbitration_try"]
_CLEAR = tsunami.Miscellaneous.fields["arbitration_clear"]
_MISSING = tsunami.Miscellaneous.fields["missing_memory"]
_SOURCE = tsunami.Miscellaneous.fields["missing_memory_source"]
_SUPPRESS = tsunami.Miscellaneous.fields["device_suppress"]
_IGNORE = tsunami.IntervalIgnore0.fields["count"].mask
_OVERFLOW = tsunami.IntervalIgnore0.fields["overflow"].mask
_MASKS = (tsunami.DeviceMask0.offset, tsunami.DeviceMask1.offset)
_REQUESTS = (tsunami.DeviceRequest0.offset, tsunami.DeviceRequest1.offset)
_IGNORES = (tsunami.IntervalIgnore0.offset, tsunami.IntervalIgnore1.offset)


class Cchip:
    """Interrupt requests, their masks, and the miscellaneous register.

    `pins[n]` holds the levels of the wires to processor n (tsunami.PIN_...).
    """

    def __init__(self, processors: int, has_pchip_1: bool, memory_size: int) -> None:
        self.pins = [0] * tsunami.PROCESSORS
        self.requests = 0  # DRIR
        self._installed = (1 << processors) - 1
        self._masks = [0] * tsunami.PROCESSORS
        self._ignore = [0] * tsunami.PROCESSORS
        self._ignoring = [False] * tsunami.PROCESSORS
        self._misc = int(tsunami.Miscellaneous(0).but(revision=tsunami.TSUNAMI_REVISION))
        self._kept: dict[int, int] = {
            tsunami.SystemConfiguration.offset: int(
                tsunami.SystemConfiguration(0).but(pchip_1_present=int(has_pchip_1))
            ),
            tsunami.ArrayAddress.offset: memory_size,
        }
        for number in range(1, tsunami.ARRAYS):
            self._kept[tsunami.ArrayAddress.offset + number * tsunami.REGISTER_STEP] = 0

    def set_request(self, bit: int, level: int) -> None:
        """A device's request line, DRIR `bit`, changes its level."""
        if level:
            self.requests |= 1 << bit
        else:
            self.requests &= ~(1 << bit)
        self._drive()

    def line(self, bit: int) -> Callable[[int], None]:
        """The far end of one request line, for a device to hold."""
        return lambda level: self.set_request(bit, level)

    def interval(self) -> None:
        """The interval timer's edge: each processor that does not ignore it is interrupted."""
        for processor in range(tsunami.PROCESSORS):
            if self._ignoring[processor]:
                count = self._ignore[processor] & _IGNORE
                if count:
                    self._ignore[processor] = count - 1
                    continue
                self._ignoring[processor] = False
                self._ignore[processor] = _OVERFLOW
            self._misc |= (self._installed >> processor & 1) << _INTERVAL.low + processor
        self._drive()

    def missing_memory(self, source: int) -> None:
        """`source` (NXS) named memory that does not exist; the first is kept until cleared."""
        if not self._misc & _MISSING.mask:
            self._misc &= ~_SOURCE.mask
            self._misc |= _MISSING.mask | source << _SOURCE.low
            self.set_request(tsunami.CCHIP_ERROR_REQUEST, 1)

    def read(self, offset: int, processor: int) -> int:
        """A register, by its offset; those that set the memory's timing read as written."""
        if offset == tsunami.Miscellaneous.offset:
            return self._misc | processor
        if offset == tsunami.RawRequest.offset:
            return self.requests
        if offset in _REQUESTS:
            return self.requests & self._masks[_REQUESTS.index(offset)]
        if offset in _MASKS:
            return self._masks[_MASKS.index(offset)]
        if offset in _IGNORES:
            return self._ignore[_IGNORES.index(offset)]
        return self._kept.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """A register, by its offset; what cannot be written stays."""
        if offset == tsunami.Miscellaneous.offset:
            self._write_misc(value)
        elif offset in _MASKS:
            self._masks[_MASKS.index(offset)] = value
            self._drive()
        elif offset in _IGNORES:
            processor = _IGNORES.index(offset)
            self._ignore[processor] = value & _IGNORE
            self._ignoring[processor] = bool(value & _IGNORE)
        elif offset not in (
            tsunami.SystemConfiguration.offset,
            tsunami.RawRequest.offset,
            *_REQUESTS,
        ):
            self._keep(offset, value)

    def _keep(self, offset: int, value: int) -> None:
        if offset < tsunami.CCHIP_END and offset % tsunami.REGISTER_STEP == 0:
            self._kept[offset] = value

    def _write_misc(self, value: int) -> None:
        misc = self._misc & ~(value & (_INTERVAL.mask | _INTERPROCESSOR.mask | _MISSING.mask))
        if value & _MISSING.mask:
            self.requests &= ~(1 << tsunami.CCHIP_ERROR_REQUEST)
        if value & _CLEAR.mask:
            misc &= ~(_WON.mask | _TRY.mask)
        else:
            misc |= value & _TRY.mask
            if not misc & _WON.mask:
                misc |= value & _WON.mask
        asked = (value & _REQUEST.mask) >> _REQUEST.low & self._installed
        misc |= asked << _INTERPROCESSOR.low
        self._misc = misc & ~_SUPPRESS.mask | value & _SUPPRESS.mask
        self._drive()

    def _drive(self) -> None:
        for processor in range(tsunami.PROCESSORS):
            reaching = self.requests & self._masks[processor]
            pins = tsunami.PIN_DEVICE if reaching & _DEVICES else 0
            if reaching & _ERRORS:
                pins |= tsunami.PIN_ERROR
            if self._misc >> _INTERVAL.low + processor & 1:
                pins |= tsunami.PIN_INTERVAL
            if self._misc >> _INTERPROCESSOR.low + processor & 1:
                pins |= tsunami.PIN_INTERPROCESSOR
            self.pins[processor] = pins


class Dchip:
    """Three registers nobody writes after power-on; what it does is not visible."""

    def __init__(self, has_pchip_1: bool) -> None:
        configuration = tsunami.DchipConfiguration(0).but(pchip_1_present=int(has_pchip_1))
        self._registers = {
            tsunami.DchipConfiguration.offset: int(configuration) * tsunami.DCHIP_ALL,
            tsunami.DchipTiming.offset: 0,
            tsunami.DchipRevision.offset: tsunami.DCHIP_ALL,
        }

    def read(self, offset: int) -> int:
        """A register; what is not there reads as zero."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Timing is kept."""
        if offset == tsunami.DchipTiming.offset:
            self._registers[offset] = value
