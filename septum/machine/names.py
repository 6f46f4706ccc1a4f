"""What do people call a function? The pci.ids database, where one is installed."""

from __future__ import annotations

from collections.abc import Iterable

from septum.layouts import pci
from septum.machine.model import Machine

PLACES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")


class Names:
    """Names of vendors, devices and classes; empty where the database has none.

    The text is searched, not parsed: a machine asks for a dozen of its 30,000 names.
    """

    def __init__(self, text: str) -> None:
        self._text = f"\n{text}\n"
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    @classmethod
    def installed(cls, places: Iterable[str] = PLACES) -> Names:
        """The first database found; one without any name when there is none."""
        for place in places:
            try:
                with open(place, encoding="utf-8", errors="replace") as file:
                    return cls(file.read())
            except OSError:
                continue
        return cls("")

    def function(self, vendor: int, device: int) -> str:
        """Vendor's and device's names, as far as known."""
        return " ".join(name for name in self._pair(f"{vendor:04x}", f"{device:04x}") if name)

    def kind(self, class_code: int) -> str:
        """What kind of function a 24-bit class code means."""
        code = class_code >> pci.SUBCLASS_SHIFT
        base, subclass = divmod(code, 1 << pci.SUBCLASS_SHIFT)
        return self._pair(f"C {base:02x}", f"{subclass:02x}")[1]

    def _pair(self, outer: str, inner: str) -> tuple[str, str]:
        """The names of an unindented line and of one indented once below it."""
        found = self._known.get((outer, inner))
        if found is None:
            found = self._known[outer, inner] = self._find(outer, inner)
        return found

    def _find(self, outer: str, inner: str) -> tuple[str, str]:
        start = self._text.find(f"\n{outer}  ")
        if start < 0:
            return "", ""
        line = self._text.index("\n", start + 1)
        name = self._text[start + len(outer) + 3 : line]
        end = line
        while self._text.startswith(("\n\t", "\n#"), end):
            end = self._text.index("\n", end + 1)
        within = self._text.find(f"\n\t{inner}  ", line, end)
        if within < 0:
            return name, ""
        return name, self._text[within + len(inner) + 4 : self._text.index("\n", within + 1)]


def named(machine: Machine, names: Names) -> Machine:
    """The same machine, its functions with their names."""
    return machine._replace(
        functions=tuple(
            item._replace(name=names.function(item.vendor, item.device) or item.name)
            for item in machine.functions
        )
    )
