"""How does the interrupt table reach KVM? As one routing table: pins first, then messages."""

from __future__ import annotations

from septum.interrupts.routes import RoutedMessage
from septum.layouts import kvm


class RoutingTable:
    """The whole table: KVM_SET_GSI_ROUTING replaces everything, so the pins are always in it.

    Kept as KVM takes it: a changed message is one entry written, however many there are.
    """

    def __init__(self) -> None:
        self.text = bytearray(_PINS)
        self._places: dict[int, int] = {}  # by GSI: where its entry stands

    def put(self, message: RoutedMessage) -> None:
        """Add a message, or change the one of its GSI."""
        place = self._places.setdefault(message.gsi, len(self.text))
        self.text[place : place + kvm.IrqRoutingEntry.SIZE] = bytes(_message(message))
        entries = (len(self.text) - kvm.IrqRoutingHeader.SIZE) // kvm.IrqRoutingEntry.SIZE
        self.text[: kvm.IrqRoutingHeader.SIZE] = bytes(kvm.IrqRoutingHeader(nr=entries))


def _pin(gsi: int, chip: int, pin: int) -> kvm.IrqRoutingEntry:
    return kvm.IrqRoutingEntry(gsi=gsi, type=kvm.IRQ_ROUTING_IRQCHIP, word0=chip, word1=pin)


def _pins() -> bytes:
    # As boards are wired: GSI 0, the PIT, is pin 0 of the PIC and pin 2 of the IOAPIC, where the
    # PIC's cascade has its pin. The MADT says so too (interrupt source override).
    cascade = 2
    half = kvm.PIC_PINS
    master = [_pin(n, kvm.IRQCHIP_PIC_MASTER, n) for n in range(half) if n != cascade]
    slave = [_pin(half + n, kvm.IRQCHIP_PIC_SLAVE, n) for n in range(half)]
    ioapic = [_pin(0, kvm.IRQCHIP_IOAPIC, cascade)]
    ioapic += [_pin(n, kvm.IRQCHIP_IOAPIC, n) for n in range(1, kvm.IOAPIC_PINS) if n != cascade]
    pins = [*master, *slave, *ioapic]
    return b"".join(map(bytes, (kvm.IrqRoutingHeader(nr=len(pins)), *pins)))


def _message(message: RoutedMessage) -> kvm.IrqRoutingEntry:
    return kvm.IrqRoutingEntry(
        gsi=message.gsi,
        type=kvm.IRQ_ROUTING_MSI,
        word0=message.address & _LOW,
        word1=message.address >> _HIGH_SHIFT,
        word2=message.data,
    )


_HIGH_SHIFT = 32
_LOW = (1 << _HIGH_SHIFT) - 1
_PINS = _pins()
