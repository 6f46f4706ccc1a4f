"""At which screens, keyboards and serial ports does somebody sit?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from septum.layouts import sysfs
from septum.machine.files import HostFiles
from septum.machine.model import Function, HostNeed
from septum.machine.pci import DEVICES, on_the_way
from septum.machine.processors import whole


class Keyboard(NamedTuple):
    """A keyboard, and the last PCI function on its way; None: it is the board's own."""

    name: str
    handler: str  # "event3"
    path: str

    @property
    def below(self) -> list[HostNeed]:
        text = f"has a keyboard ({self.name})"
        return [HostNeed(address, text) for address in on_the_way(self.path)[-1:]]


def consoles(files: HostFiles, found: Iterable[Function]) -> Iterator[HostNeed]:
    """The serial port or the screen Linux writes its messages to. /proc/consoles."""
    lines = files.read_text("/proc/consoles", "").splitlines()
    names = {line.split()[0] for line in lines if line.split()}
    for name in sorted(names):
        if name.startswith("tty") and not name[3:].isdecimal():
            for address in on_the_way(files.read_link(f"/sys/class/tty/{name}"))[-1:]:
                yield HostNeed(address, f"is the console ({name})")
    if any(name.startswith("tty") and name[3:].isdecimal() for name in names):
        for item in found:
            if files.read_text(f"{DEVICES}/{item.address}/boot_vga", "0") == "1":
                yield HostNeed(item.address, "is the console's screen (boot VGA)")
        yield from _frame_buffer(files)


def _frame_buffer(files: HostFiles) -> Iterator[HostNeed]:
    """The one that virtual consoles are drawn on, if they are. Linux, drivers/tty/vt."""
    for console in files.names("/sys/class/vtconsole"):
        folder = f"/sys/class/vtconsole/{console}"
        is_bound = files.read_text(f"{folder}/bind", "0") == "1"
        if is_bound and "frame buffer" in files.read_text(f"{folder}/name", ""):
            for address in on_the_way(files.read_link("/sys/class/graphics/fb0"))[-1:]:
                yield HostNeed(address, "is the console's screen (fb0)")


def monitors(files: HostFiles) -> Iterator[HostNeed]:
    """Graphics cards with a monitor that shows something now."""
    for name in files.names("/sys/class/drm"):
        card, dash, connector = name.partition("-")
        if not dash or not card.startswith("card"):
            continue
        if files.read_text(f"/sys/class/drm/{name}/enabled", "") == "enabled":
            for address in on_the_way(files.read_link(f"/sys/class/drm/{name}"))[-1:]:
                yield HostNeed(address, f"shows something on a monitor ({connector})")


def keyboards(files: HostFiles) -> list[Keyboard]:
    """All of them; buttons and remote controls are none. /proc/bus/input/devices."""
    found = []
    for block in files.read_text("/proc/bus/input/devices", "").split("\n\n"):
        said = {}
        for line in block.splitlines():
            key, _, value = line.partition(": ")[2].partition("=")
            said[key] = value.strip().strip('"')
        keys = whole(said.get("KEY", "0").split(" ")[-1], 0, 16)
        if keys & sysfs.KEYBOARD_KEYS == sysfs.KEYBOARD_KEYS:
            handlers = [one for one in said.get("Handlers", "").split() if one.startswith("event")]
            found.append(
                Keyboard(said.get("Name", "?"), "".join(handlers[:1]), said.get("Sysfs", ""))
            )
    return found
