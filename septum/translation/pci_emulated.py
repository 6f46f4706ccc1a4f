"""What answers where no function of the machine may: host bridges, bridges, stand-ins?

Spaces that live in the image alone. A bridge on an owner's way shows its identity, its bus
numbers and windows; the OS may rewrite them and reads back what it wrote, and nothing of it
reaches the machine: the way is shared with other owners [0046].
"""

from __future__ import annotations

from septum.discovery.view import View
from septum.layouts import pci
from septum.layouts.register import Register
from septum.machine.configuration import plain_capabilities
from septum.machine.model import Function
from septum.translation.carried import CarriedOut
from septum.translation.pci_image import Image
from septum.translation.pci_table import Effect, Row, every
from septum.translation.verdict import Emulate, Reject, Verdict, all_ones
from septum.units import PciAddress

_WIDTHS = (1, 2, 4)
_OUTSIDE = Reject("outside of configuration space")
_READ_ONLY = Reject("no bit of this register may be changed by an instance")

COMMON: tuple[Row, ...] = (
    Row(pci.Identity),
    Row(
        pci.Command,
        kept=pci.Command.mask(
            "io_space",
            "memory_space",
            "bus_master",
            "parity_error_response",
            "serr_enable",
            "intx_disable",
        ),
    ),
    Row(pci.ClassCode),
    Row(pci.CacheLineSize, kept=every(pci.CacheLineSize)),
    Row(pci.HeaderType),
)

# No interrupt, no base address register, no expansion ROM: a bridge's own registers belong to
# the host. Resetting its secondary bus would reset other owners' functions.
BRIDGE: tuple[Row, ...] = (
    *COMMON,
    Row(pci.BusNumbers, kept=every(pci.BusNumbers)),
    Row(pci.IoBase, kept=pci.IoBase.mask("address")),
    Row(pci.IoLimit, kept=pci.IoLimit.mask("address")),
    Row(pci.MemoryBase, kept=pci.MemoryBase.mask("address")),
    Row(pci.MemoryLimit, kept=pci.MemoryLimit.mask("address")),
    Row(pci.PrefetchableBase, kept=pci.PrefetchableBase.mask("address")),
    Row(pci.PrefetchableLimit, kept=pci.PrefetchableLimit.mask("address")),
    Row(pci.PrefetchableBaseUpper, kept=every(pci.PrefetchableBaseUpper)),
    Row(pci.PrefetchableLimitUpper, kept=every(pci.PrefetchableLimitUpper)),
    Row(pci.IoBaseUpper, kept=every(pci.IoBaseUpper)),
    Row(pci.IoLimitUpper, kept=every(pci.IoLimitUpper)),
    Row(
        pci.BridgeControl,
        kept=every(pci.BridgeControl) & ~pci.BridgeControl.mask("secondary_bus_reset"),
    ),
)

# Only what tells the OS that the bus below is PCI Express (Linux reads no extended
# configuration behind a bridge that does not say so): no slot, no events, no link power.
BRIDGE_EXPRESS: tuple[Row, ...] = (
    Row(
        pci.ExpressCapabilities,
        hidden=pci.ExpressCapabilities.mask("slot_implemented", "interrupt_message"),
    ),
    Row(pci.DeviceCapabilities),
    Row(
        pci.DeviceControl,
        kept=every(pci.DeviceControl) & ~pci.DeviceControl.mask("initiate_function_level_reset"),
    ),
    Row(
        pci.LinkCapabilities,
        hidden=pci.LinkCapabilities.mask(
            "active_state_power_management",
            "clock_power_management",
            "surprise_down_reporting",
            "link_active_reporting",
            "bandwidth_notification",
        ),
    ),
    Row(
        pci.LinkControl, kept=pci.LinkControl.mask("active_state_power_management", "common_clock")
    ),
    Row(
        pci.LinkStatus,
        hidden=every(pci.LinkStatus) & ~pci.LinkStatus.mask("current_speed", "negotiated_width"),
    ),
)


class EmulatedSpace:
    """A function the VMM plays: reads from the image, writes into it, no effects."""

    def __init__(self, image: Image) -> None:
        self.size = image.size
        self._image = image
        self._at_start = bytes(image.bytes)

    def read(self, offset: int, width: int) -> Verdict:
        """Always Emulate, except outside of the space."""
        if offset < 0 or offset + width > self.size or width not in _WIDTHS:
            return _OUTSIDE
        return Emulate(self._image.value(offset, width))

    def merge(self, offset: int, width: int, from_device: int) -> int:
        """There is no device: the image's value."""
        return self._image.value(offset, width)

    def write(self, offset: int, width: int, value: int) -> tuple[Verdict, Effect | None]:
        """Keep the bits that may change; Reject when none may."""
        end = offset + width
        if offset < 0 or end > self.size or width not in _WIDTHS:
            return _OUTSIDE, None
        kept = int.from_bytes(self._image.kept[offset:end], "little")
        if not kept:
            return _READ_ONLY, None
        asked = value & all_ones(width)
        now = self._image.value(offset, width)
        self._image.bytes[offset:end] = (now & ~kept | asked & kept).to_bytes(width, "little")
        return Emulate(asked & kept), None

    def reset(self) -> None:
        """As at the start of the instance."""
        self._image.bytes[:] = self._at_start


def played(seen: View) -> dict[PciAddress, CarriedOut]:
    """All that the VMM plays in a view, by the address at which it is seen."""
    spaces: dict[PciAddress, EmulatedSpace] = {}
    for address in seen.host_bridges:
        spaces[address] = host_bridge()
    for address in seen.placeholders:
        spaces[address] = placeholder()
    for function in seen.bridges:
        spaces[function.address] = bridge(function)
    for function in seen.shared:
        spaces[function.address] = shared(function)
    return {address: CarriedOut(space) for address, space in spaces.items()}


def shared(function: Function) -> EmulatedSpace:
    """A function of the platform that every instance finds and none may change."""
    image = Image(function.configuration, pci.CONFIGURATION_SIZE)
    image.bytes[:] = image.handed
    return EmulatedSpace(image)


def host_bridge() -> EmulatedSpace:
    """The function at 00.0 of a root bus, without which Linux finds no PCI at all."""
    return EmulatedSpace(
        _played(pci.HOST_BRIDGE_VENDOR, pci.HOST_BRIDGE_DEVICE, pci.HOST_BRIDGE_CLASS)
    )


def placeholder() -> EmulatedSpace:
    """A function 0 that stands for a concealed one, so that the OS looks for its siblings."""
    image = _played(pci.PLACEHOLDER_VENDOR, pci.PLACEHOLDER_DEVICE, pci.PLACEHOLDER_CLASS)
    image.put(pci.HeaderType, pci.HeaderType(0).but(multifunction=1))
    return EmulatedSpace(image)


def _played(vendor: int, device: int, class_code: int) -> Image:
    image = Image(b"", pci.CONFIGURATION_SIZE)
    image.apply(COMMON, 0, pci.HEADER_SIZE)
    image.put(pci.Identity, pci.Identity(0).but(vendor=vendor, device=device))
    image.put(pci.ClassCode, pci.ClassCode(0).but(class_code=class_code))
    return image


def bridge(function: Function) -> EmulatedSpace:
    """A bridge of the machine as an owner behind it sees it."""
    full = len(function.configuration) >= pci.CONFIGURATION_SIZE
    image = Image(function.configuration, pci.CONFIGURATION_SIZE)
    image.apply(BRIDGE, 0, pci.HEADER_SIZE)
    image.put(pci.Identity, pci.Identity(0).but(vendor=function.vendor, device=function.device))
    image.put(
        pci.ClassCode,
        pci.ClassCode(0).but(revision=function.revision, class_code=function.class_code),
    )
    shape = pci.HeaderType(pci.HEADER_BRIDGE).but(multifunction=int(function.multifunction))
    image.put(pci.HeaderType, shape)
    image.put(pci.BridgeControl, 0)
    image.put(pci.Command, pci.Command(0).but(io_space=1, memory_space=1, bus_master=1))
    _windows(image, function)
    entries = plain_capabilities(image.handed) if full else ()
    for identity, offset, _ in entries:
        if identity == pci.CapabilityId.PCI_EXPRESS:
            image.apply(BRIDGE_EXPRESS, offset, image.size)
            image.put(pci.CapabilityHeader, pci.CapabilityHeader(0).but(identity=identity), offset)
            image.put(pci.CapabilitiesPointer, offset)
            image.put(pci.Status, pci.Status(0).but(capabilities_list=1))
    return EmulatedSpace(image)


def _windows(image: Image, function: Function) -> None:
    """Bus numbers and windows from the inventory: what the machine decodes, in registers."""
    way = function.bridge
    if way is None:
        return
    numbers = pci.BusNumbers(0).but(
        primary=way.primary, secondary=way.secondary, subordinate=way.subordinate
    )
    image.put(pci.BusNumbers, numbers)

    # A window that is off has its base above its limit. PCI-to-PCI Bridge 1.2, 3.2.5.6.
    first, last = (way.memory.start, way.memory.end - 1) if way.memory else _OFF_32
    shift = pci.MEMORY_WINDOW_SHIFT
    _address(image, pci.MemoryBase, first >> shift)
    _address(image, pci.MemoryLimit, last >> shift)

    first, last = (
        (way.prefetchable.start, way.prefetchable.end - 1) if way.prefetchable else _OFF_32
    )
    wide = pci.ADDRESSING_WIDE
    _address(image, pci.PrefetchableBase, first >> shift, wide)
    _address(image, pci.PrefetchableLimit, last >> shift, wide)
    image.put(pci.PrefetchableBaseUpper, first >> pci.PREFETCHABLE_UPPER_SHIFT)
    image.put(pci.PrefetchableLimitUpper, last >> pci.PREFETCHABLE_UPPER_SHIFT)

    first, last = (way.io.start, way.io.end - 1) if way.io else _OFF_IO
    _address(image, pci.IoBase, first >> pci.IO_WINDOW_SHIFT, wide)
    _address(image, pci.IoLimit, last >> pci.IO_WINDOW_SHIFT, wide)
    image.put(pci.IoBaseUpper, first >> pci.IO_UPPER_SHIFT)
    image.put(pci.IoLimitUpper, last >> pci.IO_UPPER_SHIFT)


_OFF_32 = (every(pci.BaseAddress), 0)
_OFF_IO = (every(pci.IoBaseUpper), 0)


def _address(image: Image, register: type[Register], units: int, addressing: int = 0) -> None:
    field = register.fields["address"]
    image.put(register, (units << field.low) & field.mask | addressing)
