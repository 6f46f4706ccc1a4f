"""Which instruction is a word? A small number for each, so that one jump leads to what it does.

Looked up in a table by opcode and function code each time a word is fetched: nothing is kept of
the words themselves, so that code that was written, moved or read from a disk is right at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from septum.layouts import alpha as a

# What differs only in what cannot be hurried shares a kind, and is told apart there.
(ILLEGAL, CALL_PAL, MISC, JMP, MULTIMEDIA, FLOATING, FLOATING_BRANCH) = range(7)
(LOCKED_LOAD, CONDITIONAL_STORE) = range(7, 9)
(LDA, LDAH, LDBU, LDWU, LDL, LDQ, LDQ_U, STB, STW, STL, STQ, STQ_U) = range(9, 21)
(BR, BLBC, BEQ, BLT, BLE, BLBS, BNE, BGE, BGT) = range(21, 30)
(ADDL, ADDQ, SUBL, SUBQ, S4ADDL, S4ADDQ, S4SUBL, S4SUBQ) = range(30, 38)
(S8ADDL, S8ADDQ, S8SUBL, S8SUBQ, ADDL_V, ADDQ_V, SUBL_V, SUBQ_V) = range(38, 46)
(CMPEQ, CMPLT, CMPLE, CMPULT, CMPULE, CMPBGE) = range(46, 52)
(AND, BIC, BIS, ORNOT, XOR, EQV, AMASK, IMPLVER) = range(52, 60)
(CMOVEQ, CMOVNE, CMOVLT, CMOVGE, CMOVLE, CMOVGT, CMOVLBS, CMOVLBC) = range(60, 68)
(SLL, SRL, SRA, ZAP, ZAPNOT) = range(68, 73)
(EXTBL, EXTWL, EXTLL, EXTQL, EXTWH, EXTLH, EXTQH) = range(73, 80)
(INSBL, INSWL, INSLL, INSQL, INSWH, INSLH, INSQH) = range(80, 87)
(MSKBL, MSKWL, MSKLL, MSKQL, MSKWH, MSKLH, MSKQH) = range(87, 94)
(MULL, MULQ, UMULH, MULL_V, MULQ_V) = range(94, 99)

_FUNCTIONS = a.FUNCTION_MASK + 1
_FUNCTION_BITS = a.FUNCTION_MASK.bit_length()


def _named(names: str) -> dict[int, int]:
    """Of instructions that have a kind of their own: both numbers have one name."""
    return {getattr(a, name): globals()[name] for name in names.split()}


_BY_OPCODE: dict[int, int] = {
    **_named("CALL_PAL MISC JMP LDA LDAH LDBU LDWU LDL LDQ LDQ_U STB STW STL STQ STQ_U"),
    **_named("BR BLBC BEQ BLT BLE BLBS BNE BGE BGT"),
    a.BSR: BR,
    a.FPTI: MULTIMEDIA,
    **dict.fromkeys((a.ITFP, a.FLTV, a.FLTI, a.FLTL), FLOATING),
    **dict.fromkeys((a.LDF, a.LDG, a.LDS, a.LDT, a.STF, a.STG, a.STS, a.STT), FLOATING),
    **dict.fromkeys((a.FBEQ, a.FBLT, a.FBLE, a.FBNE, a.FBGE, a.FBGT), FLOATING_BRANCH),
    **dict.fromkeys((a.LDL_L, a.LDQ_L), LOCKED_LOAD),
    **dict.fromkeys((a.STL_C, a.STQ_C), CONDITIONAL_STORE),
}
_BY_FUNCTION: dict[int, dict[int, int]] = {
    a.INTA: _named(
        "ADDL ADDQ SUBL SUBQ S4ADDL S4ADDQ S4SUBL S4SUBQ S8ADDL S8ADDQ S8SUBL S8SUBQ "
        "ADDL_V ADDQ_V SUBL_V SUBQ_V CMPEQ CMPLT CMPLE CMPULT CMPULE CMPBGE"
    ),
    a.INTL: _named(
        "AND BIC BIS ORNOT XOR EQV AMASK IMPLVER "
        "CMOVEQ CMOVNE CMOVLT CMOVGE CMOVLE CMOVGT CMOVLBS CMOVLBC"
    ),
    a.INTS: _named(
        "SLL SRL SRA ZAP ZAPNOT EXTBL EXTWL EXTLL EXTQL EXTWH EXTLH EXTQH "
        "INSBL INSWL INSLL INSQL INSWH INSLH INSQH MSKBL MSKWL MSKLL MSKQL MSKWH MSKLH MSKQH"
    ),
    a.INTM: _named("MULL MULQ UMULH MULL_V MULQ_V"),
    a.FPTI: dict.fromkeys(range(a.FROM_FLOATING, _FUNCTIONS), FLOATING),
}


def _table() -> NDArray[np.uint8]:
    table = np.full((1 << 6, _FUNCTIONS), ILLEGAL, np.uint8)
    for opcode, kind in _BY_OPCODE.items():
        table[opcode] = kind
    for opcode, kinds in _BY_FUNCTION.items():
        for function, kind in kinds.items():
            table[opcode, function] = kind
    return table.ravel()


KINDS = _table()
OPCODE_SHIFT = a.OPCODE_SHIFT - _FUNCTION_BITS  # an opcode's place in it
OPCODES = -_FUNCTIONS  # mask: without the function code
