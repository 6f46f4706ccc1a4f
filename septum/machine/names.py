"""What do people call a function? The pci.ids database, where one is installed."""

from __future__ import annotations

from collections.abc import Iterable

from septum.machine.model import Machine

PLACES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")


class Names:
    """Names of vendors, devices and classes; empty where the database has none."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.vendors: dict[int, str] = {}
        self.devices: dict[tuple[int, int], str] = {}
        self.classes: dict[int, str] = {}  # by the high two bytes of a class code
        vendor = base = -1
        for line in lines:
            code, _, name = line.strip().partition("  ")
            if not name or line.startswith(("#", "\t\t")):
                continue
            try:
                if line.startswith("C "):
                    vendor, base = -1, int(code[2:], 16)
                elif not line.startswith("\t"):
                    vendor, base = int(code, 16), -1
                    self.vendors[vendor] = name
                elif vendor >= 0:
                    self.devices[vendor, int(code, 16)] = name
                elif base >= 0:
                    self.classes[base << 8 | int(code, 16)] = name
            except ValueError:
                continue

    @classmethod
    def installed(cls, places: Iterable[str] = PLACES) -> Names:
        """The first database found; one without any name when there is none."""
        for place in places:
            try:
                with open(place, encoding="utf-8", errors="replace") as file:
                    return cls(file)
            except OSError:
                continue
        return cls(())

    def function(self, vendor: int, device: int) -> str:
        """Vendor's and device's names, as far as known."""
        known = (self.vendors.get(vendor, ""), self.devices.get((vendor, device), ""))
        return " ".join(word for word in known if word)

    def kind(self, class_code: int) -> str:
        """What kind of function a 24-bit class code means."""
        return self.classes.get(class_code >> 8, "")


def named(machine: Machine, names: Names) -> Machine:
    """The same machine, its functions with their names."""
    return machine._replace(
        functions=tuple(
            item._replace(name=names.function(item.vendor, item.device) or item.name)
            for item in machine.functions
        )
    )
