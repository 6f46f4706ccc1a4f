"""Which instructions may follow one another so that two processors must agree?

A sequence changes registers r0 to r27 and f0 to f30 and a small area of memory that r29 names.
Left out, because the architecture leaves it open or QEMU's user mode shows it otherwise:

- AMASK: QEMU's default processor has the prefetch extension as well. A unit test has it.
- CTPOP, CTLZ, CTTZ: EV67's, which QEMU's default processor is. A unit test sees them refused.
- RPCC: a time.
- Traps: in QEMU's user mode they are signals. So /V comes with operands that do not overflow;
  /S with every trap disabled in the control register, which gives every result; floating point
  without /S with operands and results that do not trap. Unit tests have the traps.
- Two operands that are not numbers: QEMU takes the 8087's rule which one is passed on, the
  architecture says Fb's (AH 4.7.10.4).
- Operations without a result (zero by zero and so on): the architecture's NaN has its sign set
  (AH 4.7.10.4), QEMU's has not.
- LDF and ITOFF: QEMU (7.2 to 10.0) mixes the first bits of the fraction into the exponent.
- STF: QEMU stores a part of the address.
- VAX arithmetic: QEMU computes it in IEEE format. LDG and STG are here.
- Reading the FPCR inside of a sequence: see `differential` for the bits that are not compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from septum.layouts import alpha as a
from tests.engine.alpha.processor.assembler import (
    branch,
    floating,
    literal,
    memory,
    miscellaneous,
    operate,
)

LENGTH = 24  # instructions of a sequence, about
AREA = 256  # bytes of memory that sequences use
WRITABLE = 28  # integer registers 0..27 are written
BASE = 29  # names the area
INPUTS = 16  # floating-point operations read f0..f15 and write f16..f30
ONES = (1 << 64) - 1

INTEGERS = [
    *(0, 1, 2, 7, 8, 63, 64, 255, 256, ONES, ONES - 1, 1 << 63, (1 << 63) - 1, 1 << 62),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF),
    *(0x8080808080808080, 0x7F7F7F7F7F7F7F7F, 0x00FF00FF00FF00FF, 0x0123456789ABCDEF),
]
FLOATS = [  # T format
    *(0, 1 << 63, 0x3FF0000000000000, 0xBFF0000000000000, 0x4000000000000000),
    *(0x7FF0000000000000, 0xFFF0000000000000),  # infinities
    *(0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0xFFF4000020000000),  # NaN
    *(0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x0010000000000000, 0x8010000000000001),  # small
    *(0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, 0x3FF0000000000001, 0x3FEFFFFFFFFFFFFF),
    *(0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x3810000000000000, 0x380FFFFFE0000000),  # S ends
    *(0x36A0000000000000, 0x3690000000000000, 0x0000000020000000, 0x000FFFFFE0000000),
    *(0x43E0000000000000, 0xC3E0000000000000, 0x43DFFFFFFFFFFFFF, 0x43F0000000000000),  # 2**63
    *(0x3FE0000000000000, 0x3FF8000000000000, 0x4330000000000001, 0x4340000000000000),
]
TWO_OPERANDS = {
    a.INTA: (
        *(a.ADDL, a.S4ADDL, a.SUBL, a.S4SUBL, a.CMPBGE, a.S8ADDL, a.S8SUBL, a.CMPULT, a.ADDQ),
        *(a.S4ADDQ, a.SUBQ, a.S4SUBQ, a.CMPEQ, a.S8ADDQ, a.S8SUBQ, a.CMPULE, a.CMPLT, a.CMPLE),
    ),
    a.INTL: (
        *(a.AND, a.BIC, a.CMOVLBS, a.CMOVLBC, a.BIS, a.CMOVEQ, a.CMOVNE, a.ORNOT, a.XOR),
        *(a.CMOVLT, a.CMOVGE, a.EQV, a.CMOVLE, a.CMOVGT),
    ),
    a.INTS: (
        *(a.MSKBL, a.EXTBL, a.INSBL, a.MSKWL, a.EXTWL, a.INSWL, a.MSKLL, a.EXTLL, a.INSLL),
        *(a.ZAP, a.ZAPNOT, a.MSKQL, a.SRL, a.EXTQL, a.SLL, a.INSQL, a.SRA, a.MSKWH, a.INSWH),
        *(a.EXTWH, a.MSKLH, a.INSLH, a.EXTLH, a.MSKQH, a.INSQH, a.EXTQH),
    ),
    a.INTM: (a.MULL, a.MULQ, a.UMULH),
}
ONE_OPERAND = (*(a.SEXTB, a.SEXTW, a.UNPKBW, a.UNPKBL, a.PKWB, a.PKLB),)
MULTIMEDIA = (
    *(a.PERR, a.MINSB8, a.MINSW4, a.MINUB8, a.MINUW4, a.MAXUB8, a.MAXUW4, a.MAXSB8, a.MAXSW4),
)
CHECKED = (
    *((a.INTA, a.ADDL_V), (a.INTA, a.SUBL_V), (a.INTA, a.ADDQ_V), (a.INTA, a.SUBQ_V)),
    *((a.INTM, a.MULL_V), (a.INTM, a.MULQ_V)),
)
SIZES = {
    **{a.LDBU: 1, a.LDWU: 2, a.LDL: 4, a.LDQ: 8, a.STB: 1, a.STW: 2, a.STL: 4, a.STQ: 8},
    **{a.LDQ_U: 1, a.STQ_U: 1, a.LDS: 4, a.LDT: 8, a.LDG: 8},
    **{a.STS: 4, a.STT: 8, a.STG: 8},
}
INTEGER_BRANCHES = (a.BLBC, a.BEQ, a.BLT, a.BLE, a.BLBS, a.BNE, a.BGE, a.BGT)
FLOATING_BRANCHES = (a.FBEQ, a.FBLT, a.FBLE, a.FBNE, a.FBGE, a.FBGT)
BARRIERS = (a.TRAPB, a.EXCB, a.MB, a.WMB)
COPIES = (a.CPYS, a.CPYSN, a.CPYSE)
MOVES = (a.FCMOVEQ, a.FCMOVNE, a.FCMOVLT, a.FCMOVGE, a.FCMOVLE, a.FCMOVGT)
ARITHMETIC = (a.ADDS, a.SUBS, a.MULS, a.DIVS, a.ADDT, a.SUBT, a.MULT, a.DIVT)
COMPARISONS = (a.CMPTUN, a.CMPTEQ, a.CMPTLT, a.CMPTLE)
SOFTWARE = a.QUALIFIER_SOFTWARE | a.QUALIFIER_UNDERFLOW
TRAPS_DISABLED = (
    a.FPCR_INVALID_DISABLE
    | a.FPCR_DIVISION_BY_ZERO_DISABLE
    | a.FPCR_OVERFLOW_DISABLE
    | a.FPCR_UNDERFLOW_DISABLE
    | a.FPCR_INEXACT_DISABLE
    | a.FPCR_DENORMAL_DISABLE
)


class Sequence:
    """One sequence with what the registers hold before it; all from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_software = chance.random() < 0.7
        self.integers = [self._integer() for _ in range(32)]
        self.floats = [self._float() for _ in range(32)]
        self.fpcr = chance.getrandbits(2) << a.FPCR_ROUNDING_SHIFT | TRAPS_DISABLED
        for flag in (a.FPCR_DENORMALS_ZERO, a.FPCR_UNDERFLOW_ZERO):
            self.fpcr |= flag * chance.getrandbits(1)
        self.code: list[int] = []
        while len(self.code) < LENGTH:
            chance.choice(KINDS)(self)

    def _integer(self) -> int:
        kind = self.chance.randrange(4)
        if kind == 0:
            return self.chance.getrandbits(64)
        if kind == 1:
            return self.chance.getrandbits(self.chance.randrange(1, 64))
        if kind == 2:
            return 1 << self.chance.randrange(64)
        return self.chance.choice(INTEGERS)

    def _float(self) -> int:
        sign = self.chance.getrandbits(1) << 63
        if not self.is_software:
            return sign | self.chance.randrange(993, 1053) << 52 | self._fraction()
        kind = self.chance.randrange(4)
        if kind == 0:
            return self.chance.choice(FLOATS)
        if kind == 1:
            return self.chance.getrandbits(64)
        if kind == 2:  # near the range of S
            return (
                sign
                | self.chance.choice((870, 1023, 1150)) + self.chance.randrange(-30, 30) << 52
                | self._fraction()
            )
        exponent = self.chance.choice((0, 1, 1023, 1075, 1086, 2046))
        return sign | exponent << 52 | self._fraction()

    def _fraction(self) -> int:
        fraction = self.chance.getrandbits(52)
        if self.chance.random() < 0.3:
            fraction = fraction >> 44 << 44  # few bits: exact results, halves
        if self.chance.random() < 0.5:
            fraction = fraction >> 29 << 29  # a number of S
        return fraction

    def _any(self) -> int:
        return self.chance.randrange(32)

    def _result(self) -> int:
        return self.chance.choice((*range(WRITABLE), 31))

    def two_operands(self) -> None:
        opcode = self.chance.choice(tuple(TWO_OPERANDS))
        self._operate(opcode, self.chance.choice(TWO_OPERANDS[opcode]), self._any())

    def one_operand(self) -> None:
        function = self.chance.choice(ONE_OPERAND)
        if function in (a.SEXTB, a.SEXTW):
            self._operate(a.FPTI, function, 31)
        else:
            self.code.append(operate(a.FPTI, function, 31, self._any(), self._result()))

    def multimedia(self) -> None:
        function = self.chance.choice(MULTIMEDIA)
        if function == a.PERR:
            self.code.append(operate(a.FPTI, function, self._any(), self._any(), self._result()))
        else:
            self._operate(a.FPTI, function, self._any())

    def _operate(self, opcode: int, function: int, first: int) -> None:
        result = self._result()
        if self.chance.random() < 0.4:
            word = literal(opcode, function, first, self.chance.randrange(256), result)
        else:
            word = operate(opcode, function, first, self._any(), result)
        self.code.append(word)

    def implementation(self) -> None:
        self.code.append(literal(a.INTL, a.IMPLVER, 31, 1, self._result()))

    def checked(self) -> None:
        """Operands of 14 bits at most do not overflow."""
        register = self.chance.randrange(WRITABLE)
        opcode, function = self.chance.choice(CHECKED)
        self.code.append(literal(a.INTS, a.SRL, self._any(), 50, register))
        self._checked_step(opcode, function, register)

    def _checked_step(self, opcode: int, function: int, register: int) -> None:
        amount = self.chance.randrange(256)
        self.code.append(literal(opcode, function, register, amount, self._result()))

    def addresses(self) -> None:
        opcode = self.chance.choice((a.LDA, a.LDAH))
        amount = self.chance.choice((0, 1, -1, 32767, -32768, self.chance.getrandbits(16)))
        self.code.append(memory(opcode, self._result(), self._any(), amount))

    def access(self) -> None:
        opcode = self.chance.choice(tuple(SIZES))
        place = self.chance.randrange(0, AREA - 8) // SIZES[opcode] * SIZES[opcode]
        if a.LDF <= opcode <= a.STT:
            is_store = opcode >= a.STF
            register = self._any() if is_store else self.chance.randrange(INPUTS, 31)
        else:
            is_store = opcode in (a.STB, a.STW, a.STL, a.STQ, a.STQ_U)
            register = self._any() if is_store else self._result()
        self.code.append(memory(opcode, register, BASE, place))

    def locked(self) -> None:
        pair, size = self.chance.choice((((a.LDL_L, a.STL_C), 4), ((a.LDQ_L, a.STQ_C), 8)))
        place = self.chance.randrange(0, AREA - 8) // size * size
        register = self.chance.randrange(WRITABLE)
        self.code.append(memory(pair[0], self.chance.randrange(WRITABLE), BASE, place))
        self.code.append(operate(a.INTA, a.ADDQ, register, self._any(), register))
        self.code.append(memory(pair[1], register, BASE, place))

    def jumps(self) -> None:
        """Over one instruction, which then only some of the time is done."""
        if self.chance.random() < 0.3:
            opcode = self.chance.choice(FLOATING_BRANCHES)
        else:
            opcode = self.chance.choice((*INTEGER_BRANCHES, a.BR, a.BSR))
        is_link = opcode in (a.BR, a.BSR)
        self.code.append(branch(opcode, self._result() if is_link else self._any(), 1))
        self.two_operands()

    def small(self) -> None:
        function = self.chance.choice((*BARRIERS, a.RC, a.RS))
        self.code.append(miscellaneous(function, self._result()))

    def transfers(self) -> None:
        choice = self.chance.randrange(4)
        if choice == 0:
            function = self.chance.choice((a.ITOFS, a.ITOFT))
            self.code.append(floating(a.ITFP, function, self._any(), 31, self._free()))
        elif choice == 1:
            function = self.chance.choice((a.FTOIT, a.FTOIS))
            self.code.append(operate(a.FPTI, function, self._any(), 31, self._result()))
        elif choice == 2:
            function = self.chance.choice((*COPIES, *MOVES))
            self._floating(a.FLTL, function, self._any(), self._any())
        else:
            self._floating(a.FLTL, self.chance.choice((a.CVTLQ, a.CVTQL)), 31, self._any())

    def _free(self) -> int:
        return self.chance.randrange(INPUTS, 31)

    def _floating(self, opcode: int, function: int, first: int, second: int) -> None:
        self.code.append(floating(opcode, function, first, second, self._free()))

    def arithmetic(self) -> None:
        code = self.chance.choice((*ARITHMETIC, *ARITHMETIC, a.SQRTS, a.SQRTT, a.CVTTS))
        function = self._rounded(code, SOFTWARE, a.QUALIFIER_UNDERFLOW)
        first, second = self._inputs(is_single=code & a.SOURCE_FORMAT == 0)
        if has_no_result(code, *(self.floats[place] for place in (first, second))):
            return
        if code not in ARITHMETIC:
            first = 31
        self._floating(a.ITFP if code in (a.SQRTS, a.SQRTT) else a.FLTI, function, first, second)

    def _rounded(self, code: int, software: int, plain: int) -> int:
        """With a rounding, and qualifiers if any: `software` or `plain`."""
        function = code | self.chance.randrange(4) << a.ROUNDING_SHIFT
        if self.is_software:
            return function | software | self.chance.choice((0, a.QUALIFIER_INEXACT))
        return function | self.chance.choice((0, plain))

    def comparison(self) -> None:
        function = self.chance.choice(COMPARISONS) | a.ROUND_NORMAL << a.ROUNDING_SHIFT
        if self.is_software:
            function |= SOFTWARE
        self._floating(a.FLTI, function, *self._inputs(is_single=False))

    def conversion(self) -> None:
        code = self.chance.choice((a.CVTST, a.CVTTQ, a.CVTQS, a.CVTQT))
        _, second = self._inputs(is_single=False)
        if code == a.CVTST:
            function = a.CVTST_S if self.is_software else a.CVTST
        elif code == a.CVTTQ:
            # Overflow traps with /V whatever the control register says.
            is_small = self.floats[second] >> 52 & 0x7FF < 1023 + 62
            function = code | self.chance.randrange(4) << a.ROUNDING_SHIFT
            if not is_small and not self.is_software:
                return
            if self.is_software:
                function |= a.QUALIFIER_SOFTWARE | is_small * a.QUALIFIER_UNDERFLOW
        else:
            function = self._rounded(code, SOFTWARE | a.QUALIFIER_INEXACT, 0)
        self._floating(a.FLTI, function, 31, second)

    def _inputs(self, *, is_single: bool) -> tuple[int, int]:
        """Two registers with operands that are not both NaN."""
        while True:
            first, second = (self.chance.randrange(INPUTS) for _ in range(2))
            one, two = (not_a_number(self.floats[place], is_single) for place in (first, second))
            if not (one and two) or first == second:
                return first, second


def not_a_number(bits: int, is_single: bool) -> bool:
    """Is the operand none, in T format or as an operation on S numbers reads it?"""
    if is_single:
        exponent = bits >> 52 & 0x47F
        return exponent == 0x47F and bits >> 29 & 0x7FFFFF != 0
    return bits & (1 << 63) - 1 > a.INFINITY


def has_no_result(code: int, first: int, second: int) -> bool:
    """Is the operation invalid for other reasons than a NaN? True for some that are not, too."""
    is_single = code & a.SOURCE_FORMAT == 0
    one, other = (magnitude(bits, is_single) for bits in (first, second))
    if code in (a.SQRTS, a.SQRTT):
        return second >> 63 != 0
    if code in (a.ADDS, a.SUBS, a.ADDT, a.SUBT):
        return one == other == 2
    if code in (a.MULS, a.MULT):
        return {one, other} == {0, 2}
    return code in (a.DIVS, a.DIVT) and one == other != 1


def magnitude(bits: int, is_single: bool) -> int:
    """0 for zero and denormal numbers, 2 for infinity and NaN, 1 for others."""
    exponent = bits >> 52 & (0x47F if is_single else 0x7FF)
    highest = 0x47F if is_single else 0x7FF
    return 0 if exponent == 0 else 2 if exponent == highest else 1


KINDS: tuple[Callable[[Sequence], None], ...] = (
    *[Sequence.two_operands] * 8,
    *(Sequence.one_operand, Sequence.multimedia, Sequence.checked, Sequence.addresses),
    *(Sequence.access, Sequence.access, Sequence.access, Sequence.locked, Sequence.jumps),
    *(Sequence.small, Sequence.implementation, Sequence.transfers, Sequence.transfers),
    *[Sequence.arithmetic] * 5,
    *(Sequence.comparison, Sequence.conversion, Sequence.conversion),
)
