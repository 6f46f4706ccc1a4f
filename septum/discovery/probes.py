"""What did an instance look for, and what was it told? [0031]

Counted per function address, and bounded: a guest that probes everything fills a page, not
the host's memory.
"""

from __future__ import annotations

from septum.units import PciAddress

EXPOSED = "exposed"
EMULATED = "emulated"
ABSENT = "absent"

# All of one domain's buses with function 0 of each device: what an exhaustive scan asks for.
_LIMIT = 256 * 32


class _Probe:
    __slots__ = ("answer", "offered", "offset", "reads", "reason", "refused", "writes")

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.offered = ""
        self.reads = 0
        self.writes = 0
        self.refused = 0
        self.offset = 0
        self.reason = ""

    def also(self, answer: str) -> None:
        """It was answered otherwise than before: both are told, whichever came first."""
        if answer not in self.answer:
            self.answer = f"{self.answer}, {answer}"


class ProbeRecord:
    """Counts of accesses to configuration space, by the function asked for."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._probes: dict[PciAddress, _Probe] = {}
        self.beyond = 0  # accesses to addresses that no longer found room

    def offer(self, address: PciAddress, vendor: int, device: int, answer: str) -> None:
        """Name what the address offers, before or after it is probed."""
        probe = self._probe(address, answer)
        if probe is not None:
            probe.offered = f"{vendor:04x}:{device:04x}"

    def read(self, address: PciAddress, answer: str) -> None:
        """Count a read that was answered as EXPOSED, EMULATED or ABSENT."""
        probe = self._probes.get(address) or self._probe(address, answer)
        if probe is None:
            self.beyond += 1
        else:
            probe.reads += 1
            if answer != probe.answer:
                probe.also(answer)

    def write(self, address: PciAddress, answer: str, offset: int, refused: str = "") -> None:
        """Count a write; `refused` is why it was dropped, kept for the first such register."""
        probe = self._probes.get(address) or self._probe(address, answer)
        if probe is None:
            self.beyond += 1
            return
        probe.writes += 1
        if answer != probe.answer:
            probe.also(answer)
        if refused:
            if not probe.refused:
                probe.offset, probe.reason = offset, refused
            probe.refused += 1

    def _probe(self, address: PciAddress, answer: str) -> _Probe | None:
        probe = self._probes.get(address)
        if probe is None and len(self._probes) < self._limit:
            probe = self._probes[address] = _Probe(answer)
        return probe

    def absent(self) -> list[PciAddress]:
        """Addresses that were probed and answered as absent, in order."""
        return sorted(
            address
            for address, probe in self._probes.items()
            if ABSENT in probe.answer and probe.reads + probe.writes
        )

    def rows(self) -> list[dict[str, object]]:
        """One row an address that was probed, in order: plain values for a listing or JSON.

        A last one counts those that found no room.
        """
        found: list[dict[str, object]] = [
            {
                "address": str(address),
                "answer": probe.answer,
                "offered": probe.offered or ABSENT,
                "reads": probe.reads,
                "writes": probe.writes,
                "refused": probe.refused,
                "register": probe.offset if probe.refused else None,
                "because": probe.reason,
            }
            for address, probe in sorted(self._probes.items())
            if probe.reads + probe.writes
        ]
        if self.beyond:
            row: dict[str, object] = {"address": "(others)", "answer": ABSENT, "reads": self.beyond}
            row["because"] = f"more than {self._limit} addresses were probed"
            found.append(row)
        return found
