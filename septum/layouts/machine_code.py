"""What do a few x86-64 instructions look like in memory?

Intel 64 and IA-32 Architectures Software Developer's Manual 2: chapter 2 (instruction
format), chapter 4 (MOV, CALL, NOP).
"""

from __future__ import annotations

MOV_REGISTER_TO_MEMORY = 0x89  # MOV r/m32, r32: then ModR/M, then what it says
CALL_RELATIVE = 0xE8  # then 32 bits, counted from the end of the instruction
CALL_SIZE = 5
NO_OPERATION_6 = bytes((0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00))  # the recommended form of six bytes

STORE_REGISTER_SIZE = 6  # opcode, ModR/M, 32-bit displacement
MODRM_MODE = 0xC0
MODRM_MODE_DISPLACEMENT_32 = 0x80
MODRM_BASE = 0x07
MODRM_BASE_SIB = 0x04  # a further byte follows


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


def _stores_below(instruction: bytes) -> bool:
    opcode, modrm = instruction[0], instruction[1]
    displacement = int.from_bytes(instruction[2:], "little", signed=True)
    return (
        opcode == MOV_REGISTER_TO_MEMORY
        and modrm & MODRM_MODE == MODRM_MODE_DISPLACEMENT_32
        and modrm & MODRM_BASE != MODRM_BASE_SIB
        # a displacement that is none of an instruction misread from its middle
        and -(1 << 16) < displacement < 0
    )
