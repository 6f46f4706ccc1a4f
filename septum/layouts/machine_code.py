"""What do a few x86-64 instructions look like in memory?

Intel 64 and IA-32 Architectures Software Developer's Manual 2: chapter 2 (instruction
format), chapters 3 and 4 (MOV, CALL, OR, LOCK, NOP).
"""

from __future__ import annotations

MOV_REGISTER_TO_MEMORY = 0x89  # MOV r/m32, r32: then ModR/M, then what it says
CALL_RELATIVE = 0xE8  # then 32 bits, counted from the end of the instruction
CALL_SIZE = 5
NO_OPERATION_2 = bytes((0x66, 0x90))  # the recommended forms of two
NO_OPERATION_6 = bytes((0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00))  # and of six bytes

STORE_REGISTER_SIZE = 6  # opcode, ModR/M, 32-bit displacement
MODRM_MODE = 0xC0
MODRM_MODE_DISPLACEMENT_32 = 0x80
MODRM_EXTENSION = 0x38  # tells instructions of one opcode apart
MODRM_BASE = 0x07
MODRM_BASE_SIB = 0x04  # a further byte follows

IMMEDIATE_TO_MEMORY_32 = 0x81  # with 32 bits at the end
IMMEDIATE_TO_MEMORY_8 = 0x80  # with 8
EXTENSION_OR = 0x08  # /1
LOCK = 0xF0
OR_SIZE = 10  # opcode, ModR/M, 32-bit displacement, 32-bit immediate
BELOW = 1 << 16  # farther from its base nothing lies in the structures we look for


def stores_before_call(code: bytes, address: int, target: int, reach: int) -> list[int]:
    """Where a 32-bit register is stored below a structure just before a call.

    code: the bytes of one function, which lies at `address`; target: the address called;
    reach: the bytes before the call in which the store has to begin. Below: at a negative
    displacement from a base register. Returns offsets into `code`.
    """
    places = []
    for call in range(len(code) - CALL_SIZE + 1):
        if code[call] != CALL_RELATIVE:
            continue
        distance = int.from_bytes(code[call + 1 : call + CALL_SIZE], "little", signed=True)
        if address + call + CALL_SIZE + distance != target:
            continue
        for at in range(max(0, call - reach), call - STORE_REGISTER_SIZE + 1):
            if _stores_below(code[at : at + STORE_REGISTER_SIZE]):
                places.append(at)
    return places


def bits_set(code: bytes, bits: int) -> list[int]:
    """Where just these bits (32) are set by an OR to memory below a structure.

    Below: as for stores_before_call. Returns offsets into `code`.
    """
    last = bits.to_bytes(4, "little")
    return [
        at
        for at in range(len(code) - OR_SIZE + 1)
        if code[at] == IMMEDIATE_TO_MEMORY_32
        and code[at + 1] & MODRM_EXTENSION == EXTENSION_OR
        and code[at + 6 : at + OR_SIZE] == last
        and _lies_below(code[at + 1], code[at + 2 : at + 6])
    ]


def set_at_once(instruction: bytes) -> bytes:
    """In place of an OR of bits_set whose bits lie in one byte: that byte alone, with LOCK.

    What others set in the same word meanwhile is then kept. As long as the OR was.
    Raises ValueError when the bits lie in more than one byte.
    """
    modrm, last = instruction[1], instruction[6:OR_SIZE]
    if sum(byte != 0 for byte in last) != 1:
        raise ValueError("the bits do not lie in one byte")
    number = next(at for at, byte in enumerate(last) if byte)
    displacement = int.from_bytes(instruction[2:6], "little", signed=True) + number
    head = bytes((LOCK, IMMEDIATE_TO_MEMORY_8, modrm))
    where = displacement.to_bytes(4, "little", signed=True)
    return head + where + last[number : number + 1] + NO_OPERATION_2


def _stores_below(instruction: bytes) -> bool:
    return instruction[0] == MOV_REGISTER_TO_MEMORY and _lies_below(
        instruction[1], instruction[2:STORE_REGISTER_SIZE]
    )


def _lies_below(modrm: int, displacement: bytes) -> bool:
    return (
        modrm & MODRM_MODE == MODRM_MODE_DISPLACEMENT_32
        and modrm & MODRM_BASE != MODRM_BASE_SIB
        # a displacement that is none of an instruction misread from its middle
        and -BELOW < int.from_bytes(displacement, "little", signed=True) < 0
    )
