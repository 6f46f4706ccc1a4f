"""What does an instance find at the Cchip and Dchip? One processor, its hoses, its requests.

The number of hoses is where an OS learns of its buses: an instance with one sees one [0047].
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import tsunami

_WORD = (1 << 64) - 1
_ISA = 1 << tsunami.ISA_REQUEST


class Requests:
    """What the Cchip's request registers show: filled by the VMM's interrupt table."""

    def __init__(self) -> None:
        self.raw = 0  # DRIR, as the instance numbers its lines
        self.mask = 0  # DIM0


class Chipset:
    """Cchip and Dchip of one instance. `mask_changed` is called when DIM0 was written."""

    def __init__(
        self,
        hoses: int,
        memory: int,
        revision: int,
        requests: Requests,
        allowed: int,
        mask_changed: Callable[[], None],
    ) -> None:
        self._requests = requests
        self._allowed = allowed | _ISA
        self._mask_changed = mask_changed
        both = int(hoses > 1)
        self._constant = {
            tsunami.SystemConfiguration.offset: int(
                tsunami.SystemConfiguration(0).but(pchip_1_present=both)
            ),
            tsunami.ArrayAddress.offset: memory,
            tsunami.Miscellaneous.offset: int(tsunami.Miscellaneous(0).but(revision=revision)),
        }
        configuration = int(tsunami.DchipConfiguration(0).but(pchip_1_present=both))
        self._dchip = {
            tsunami.DchipConfiguration.offset: configuration * tsunami.DCHIP_ALL,
            tsunami.DchipRevision.offset: tsunami.DCHIP_ALL,
        }

    def cchip(self, physical: int, size: int, value: int | None) -> int:
        """A load (value None) or store of a Cchip register."""
        offset = physical & tsunami.CCHIP.size - 1
        inside = offset % tsunami.REGISTER_SIZE
        register = offset - inside
        if value is None:
            return self._read(register) >> 8 * inside & (1 << 8 * size) - 1
        if register == tsunami.DeviceMask0.offset and not inside:
            self._requests.mask = value & self._allowed
            self._mask_changed()
        return 0

    def _read(self, register: int) -> int:
        requests = self._requests
        if register == tsunami.DeviceMask0.offset:
            return requests.mask
        if register == tsunami.DeviceRequest0.offset:
            return requests.raw & requests.mask
        if register == tsunami.RawRequest.offset:
            return requests.raw
        return self._constant.get(register, 0)

    def dchip(self, physical: int, size: int, value: int | None) -> int:
        """A load of a Dchip register; stores set timing, which is not the instance's to set."""
        offset = physical & tsunami.DCHIP.size - 1
        inside = offset % tsunami.REGISTER_SIZE
        if value is not None:
            return 0
        return self._dchip.get(offset - inside, 0) >> 8 * inside & (1 << 8 * size) - 1
