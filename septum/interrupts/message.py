"""What may a message-signalled interrupt say, and whom does it call?"""

from __future__ import annotations

from septum.layouts import message


def handler_of(address: int, data: int) -> str:
    """What a message asks for: the vector, and the processor's APIC id. Intel SDM 3, 11.11."""
    vector = message.MessageData(data).vector
    return f"vector {vector} of processor {message.MessageAddress(address).destination}"


def refusal(address: int, data: int) -> str:
    """Why a message cannot be an interrupt; nothing when it can. Intel SDM 3, 11.11.

    On a machine it would be a write to memory, by a device; KVM looks at a part of it only.
    """
    if not address and not data:
        return "no message is programmed"
    if message.MessageAddress(address).area != message.AREA:
        return f"the message goes to {address:#x}, where no processor listens"
    said = message.MessageData(data)
    if said.delivery_mode in message.VECTORED and said.vector < message.FIRST_VECTOR:
        return f"vector {said.vector} is not for interrupts"
    return ""
