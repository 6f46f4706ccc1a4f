"""What does the Alpha architecture, and the 21264 of it, define? Numbers under their own names.

Documents: Alpha Architecture Handbook, version 4, EC-QD2KC-TE ("AH"; the same sections stand in
the Alpha Architecture Reference Manual); Alpha 21264/EV67 Microprocessor Hardware Reference
Manual, DS-0028B-TE ("HRM").

Plain integers, not enumerations: compiled code reads them as constants. All fit a signed 64-bit
integer, so that no arithmetic on them leaves it.
"""

from __future__ import annotations

# Pages of the smallest size, 8 KiB. AH 2.1 (II-A 3.2)
PAGE_SHIFT = 13
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_OFFSET = PAGE_SIZE - 1
PAGE_BASE = -PAGE_SIZE  # mask: an address without its offset in the page
INSTRUCTION_SIZE = 4
ZERO_REGISTER = 31  # R31 and F31 read as zero. AH 3.1.2, 3.1.3

# Fields of an instruction word. AH 3.3
OPCODE_SHIFT = 26
RA_SHIFT = 21
RB_SHIFT = 16
REGISTER_MASK = 0x1F
LITERAL_FLAG = 0x1000  # operate format: bits 20:13 are a literal instead of Rb
LITERAL_SHIFT = 13
LITERAL_MASK = 0xFF
FUNCTION_SHIFT = 5
FUNCTION_MASK = 0x7F  # operate format
FLOATING_FUNCTION_MASK = 0x7FF  # floating-point operate format
MEMORY_FUNCTION_MASK = 0xFFFF  # memory format with a function code
PAL_FUNCTION_MASK = 0x3FFFFFF
# Shifts of a 64-bit number that leave a signed field: bits 15:0, and bits 20:0 times four.
DISPLACEMENT_LEFT = 48
BRANCH_LEFT = 43
BRANCH_RIGHT = 41

# Opcodes. AH appendix C.1
CALL_PAL = 0x00
LDA = 0x08
LDAH = 0x09
LDBU = 0x0A
LDQ_U = 0x0B
LDWU = 0x0C
STW = 0x0D
STB = 0x0E
STQ_U = 0x0F
INTA = 0x10  # integer arithmetic
INTL = 0x11  # logical, conditional moves
INTS = 0x12  # shifts, bytes
INTM = 0x13  # multiplication
ITFP = 0x14  # integer register to floating register, square roots
FLTV = 0x15  # VAX floating point
FLTI = 0x16  # IEEE floating point
FLTL = 0x17  # floating point whatever the format
MISC = 0x18
HW_MFPR = 0x19  # the five reserved for PALcode. HRM 6.4
JMP = 0x1A
HW_LD = 0x1B
FPTI = 0x1C  # floating register to integer register; counts, multimedia
HW_MTPR = 0x1D
HW_RET = 0x1E
HW_ST = 0x1F
LDF = 0x20
LDG = 0x21
LDS = 0x22
LDT = 0x23
STF = 0x24
STG = 0x25
STS = 0x26
STT = 0x27
LDL = 0x28
LDQ = 0x29
LDL_L = 0x2A
LDQ_L = 0x2B
STL = 0x2C
STQ = 0x2D
STL_C = 0x2E
STQ_C = 0x2F
BR = 0x30
FBEQ = 0x31
FBLT = 0x32
FBLE = 0x33
BSR = 0x34
FBNE = 0x35
FBGE = 0x36
FBGT = 0x37
BLBC = 0x38
BEQ = 0x39
BLT = 0x3A
BLE = 0x3B
BLBS = 0x3C
BNE = 0x3D
BGE = 0x3E
BGT = 0x3F

INTEGER_OVERFLOW_FLAG = 0x40  # in the function code: trap on overflow (/V). Compares have it too

# INTA. AH appendix C.2; 4.4
ADDL = 0x00
S4ADDL = 0x02
SUBL = 0x09
S4SUBL = 0x0B
CMPBGE = 0x0F
S8ADDL = 0x12
S8SUBL = 0x1B
CMPULT = 0x1D
ADDQ = 0x20
S4ADDQ = 0x22
SUBQ = 0x29
S4SUBQ = 0x2B
CMPEQ = 0x2D
S8ADDQ = 0x32
S8SUBQ = 0x3B
CMPULE = 0x3D
ADDL_V = 0x40
SUBL_V = 0x49
CMPLT = 0x4D
ADDQ_V = 0x60
SUBQ_V = 0x69
CMPLE = 0x6D

# INTL. AH appendix C.2; 4.5, 4.11 (AMASK, IMPLVER)
AND = 0x00
BIC = 0x08
CMOVLBS = 0x14
CMOVLBC = 0x16
BIS = 0x20
CMOVEQ = 0x24
CMOVNE = 0x26
ORNOT = 0x28
XOR = 0x40
CMOVLT = 0x44
CMOVGE = 0x46
EQV = 0x48
AMASK = 0x61
CMOVLE = 0x64
CMOVGT = 0x66
IMPLVER = 0x6C

# INTS. AH appendix C.2; 4.5, 4.6
MSKBL = 0x02
EXTBL = 0x06
INSBL = 0x0B
MSKWL = 0x12
EXTWL = 0x16
INSWL = 0x1B
MSKLL = 0x22
EXTLL = 0x26
INSLL = 0x2B
ZAP = 0x30
ZAPNOT = 0x31
MSKQL = 0x32
SRL = 0x34
EXTQL = 0x36
SLL = 0x39
INSQL = 0x3B
SRA = 0x3C
MSKWH = 0x52
INSWH = 0x57
EXTWH = 0x5A
MSKLH = 0x62
INSLH = 0x67
EXTLH = 0x6A
MSKQH = 0x72
INSQH = 0x77
EXTQH = 0x7A

# INTM. AH appendix C.2; 4.4
MULL = 0x00
MULQ = 0x20
UMULH = 0x30
MULL_V = 0x40
MULQ_V = 0x60

# FPTI. AH appendix C.2; 4.6.7 (sign extension), 4.4 (counts), 4.13 (multimedia), 4.10 (moves)
FROM_FLOATING = 0x40  # function codes from here on are moves of floating registers
SEXTB = 0x00
SEXTW = 0x01
CTPOP = 0x30
PERR = 0x31
CTLZ = 0x32
CTTZ = 0x33
UNPKBW = 0x34
UNPKBL = 0x35
PKWB = 0x36
PKLB = 0x37
MINSB8 = 0x38
MINSW4 = 0x39
MINUB8 = 0x3A
MINUW4 = 0x3B
MAXUB8 = 0x3C
MAXUW4 = 0x3D
MAXSB8 = 0x3E
MAXSW4 = 0x3F
FTOIT = 0x70
FTOIS = 0x78

# MISC: bits 15:0. AH 4.11
TRAPB = 0x0000
EXCB = 0x0400
MB = 0x4000
WMB = 0x4400
FETCH = 0x8000
FETCH_M = 0xA000
RPCC = 0xC000
RC = 0xE000
ECB = 0xE800
RS = 0xF000
WH64 = 0xF800
WH64EN = 0xFC00

# What this processor answers to AMASK and IMPLVER: an EV6, which has no counts (CIX is EV67's). AH
# appendix D
FEATURE_BWX = 0x001  # bytes and words
FEATURE_FIX = 0x002  # square roots, moves between register files
FEATURE_MVI = 0x100  # multimedia
FEATURE_PRECISE = 0x200  # precise arithmetic traps
FEATURES = FEATURE_BWX | FEATURE_FIX | FEATURE_MVI | FEATURE_PRECISE
IMPLEMENTATION_EV6 = 2

# Parts of data. AH 2.2
BYTE_MASK = 0xFF
WORD_MASK = 0xFFFF
LONG_MASK = 0xFFFFFFFF
SIGN = -0x8000000000000000  # bit 63
WITHOUT_SIGN = 0x7FFFFFFFFFFFFFFF
# Eight bits spread over eight bytes in three steps; a mask for each.
SPREAD_4 = 0xF0000000F
SPREAD_2 = 0x3000300030003
SPREAD_1 = 0x101010101010101

# A page-table entry of OSF/1. AH II-B 3.4 (Table 3-2)
PTE_VALID = 0x0001
PTE_FAULT_ON_READ = 0x0002
PTE_FAULT_ON_WRITE = 0x0004
PTE_FAULT_ON_EXECUTE = 0x0008
PTE_ADDRESS_SPACE_MATCH = 0x0010
PTE_GRANULARITY_SHIFT = 5
PTE_GRANULARITY_MASK = 0x3
PTE_KERNEL_READ = 0x0100
PTE_USER_READ = 0x0200
PTE_KERNEL_WRITE = 0x1000
PTE_USER_WRITE = 0x2000
PTE_FRAME_SHIFT = 32
PTE_FRAME_MASK = 0xFFFFFFFF
PTE_SIZE = 8

# A virtual address of three levels, 43 bits, sign-extended. AH II-B 3.3
VIRTUAL_BITS = 43
LEVEL_BITS = 10
LEVEL_MASK = 0x3FF
LEVEL_SHIFTS = (33, 23, 13)

# Processor status of OSF/1. AH II-B 4.1 (Table 1-1 of part II-B)
PS_INTERRUPT_LEVEL = 0x7
PS_USER_MODE = 0x8

# Address space numbers of the 21264. HRM 5.3.10 (PCTX)
ASN_BITS = 8
ASN_HIGHEST = 0xFF

# I_CTL and M_CTL: superpage enables, bits of their SPE fields. HRM 5.2.15, 5.3.9
SPE_1_GIGABYTE = 0x1  # SPE<0>: VA<47:30> = 3FFFE
SPE_KSEG = 0x2  # SPE<1>: VA<47:41> = 7E, the KSEG of OSF/1
SPE_48_BIT = 0x4  # SPE<2>: VA<47:46> = 2
# VA<63:41> of a KSEG address, as a signed number; the bits that name the physical address.
KSEG_SHIFT = 41
KSEG_SELECT = -2
KSEG_BASE = -0x40000000000
KSEG_OFFSET = 0x1FFFFFFFFFF
# VA<40> chooses I/O space, PA<43>. The 21264 repeats it in PA<42:41> too, and Tsunami ignores
# those (21272 Chipset HRM, 10.1); the physical address here is the one without the repetition.
KSEG_IO = 0x10000000000
KSEG_MEMORY_OFFSET = 0xFFFFFFFFFF
PHYSICAL_IO = 0x80000000000
PHYSICAL_MASK = 0xFFFFFFFFFFF  # 44 bits. HRM 2.1

# Exception summary, EXC_SUM, as the OS gets it. AH 4.7.6.3 (II-B 6.4.1); HRM 5.2.13
SUMMARY_SOFTWARE_COMPLETION = 0x01
SUMMARY_INVALID = 0x02
SUMMARY_DIVISION_BY_ZERO = 0x04
SUMMARY_OVERFLOW = 0x08
SUMMARY_UNDERFLOW = 0x10
SUMMARY_INEXACT = 0x20
SUMMARY_INTEGER_OVERFLOW = 0x40
# The register write mask has F0..F31 above R0..R31. AH II-B 6.4.1
MASK_FLOATING_SHIFT = 32

# IEEE floating point, 14 and 16: bits 5:0 of the function code say what, with the source format
# in bits 5:4. AH appendix C.3 and 4.10
FLOATING_CODE_MASK = 0x3F
TWO_OPERAND_CODES = 0x27  # codes of these bits alone: arithmetic and comparisons
SOURCE_FORMAT = 0x20  # set: T
ADDS = 0x00
SUBS = 0x01
MULS = 0x02
DIVS = 0x03
SQRTS = 0x0B
ADDT = 0x20
SUBT = 0x21
MULT = 0x22
DIVT = 0x23
CMPTUN = 0x24
CMPTEQ = 0x25
CMPTLT = 0x26
CMPTLE = 0x27
SQRTT = 0x2B
CVTTS = 0x2C
CVTTQ = 0x2F
CVTQS = 0x3C
CVTQT = 0x3E
CVTST = 0x2AC  # the whole function code: it shares the rest with CVTTS
CVTST_S = 0x6AC
ITOFS = 0x004  # whole function codes again
ITOFF = 0x014
ITOFT = 0x024
# VAX floating point, 14 and 15. AH appendix C.4
ADDF = 0x00
SUBF = 0x01
MULF = 0x02
DIVF = 0x03
SQRTF = 0x0A
CVTDG = 0x1E
ADDG = 0x20
SUBG = 0x21
MULG = 0x22
DIVG = 0x23
CMPGEQ = 0x25
CMPGLT = 0x26
CMPGLE = 0x27
SQRTG = 0x2A
CVTGF = 0x2C
CVTGD = 0x2D
CVTGQ = 0x2F
CVTQF = 0x3C
CVTQG = 0x3E
# Qualifiers: bits 10:8 trap, bits 7:6 rounding. AH 4.7.9 (Table 4-8)
QUALIFIER_UNDERFLOW = 0x100  # /U; /V where the result is an integer
QUALIFIER_INEXACT = 0x200  # /I
QUALIFIER_SOFTWARE = 0x400  # /S
ROUNDING_SHIFT = 6
ROUNDING_MASK = 0x3
ROUND_CHOPPED = 0  # the same numbers in the FPCR, but for 3
ROUND_MINUS = 1
ROUND_NORMAL = 2
ROUND_DYNAMIC = 3  # in an instruction
ROUND_PLUS = 3  # in the FPCR
# FLTL: whole function codes. AH appendix C.3
CVTLQ = 0x010
CPYS = 0x020
CPYSN = 0x021
CPYSE = 0x022
MT_FPCR = 0x024
MF_FPCR = 0x025
FCMOVEQ = 0x02A
FCMOVNE = 0x02B
FCMOVLT = 0x02C
FCMOVGE = 0x02D
FCMOVLE = 0x02E
FCMOVGT = 0x02F
CVTQL = 0x030
CVTQL_V = 0x130
CVTQL_SV = 0x530

# The floating-point control register. AH 4.7.8 (Table 4-10)
FPCR_DENORMAL_DISABLE = 0x0000_8000_0000_0000  # DNOD
FPCR_DENORMALS_ZERO = 0x0001_0000_0000_0000  # DNZ
FPCR_INVALID_DISABLE = 0x0002_0000_0000_0000
FPCR_DIVISION_BY_ZERO_DISABLE = 0x0004_0000_0000_0000
FPCR_OVERFLOW_DISABLE = 0x0008_0000_0000_0000
FPCR_STATUS_SHIFT = 51  # from the bits of EXC_SUM to those of the status, 57:52
FPCR_STATUS = 0x03F0_0000_0000_0000
FPCR_ROUNDING_SHIFT = 58
FPCR_UNDERFLOW_ZERO = 0x1000_0000_0000_0000  # UNDZ
FPCR_UNDERFLOW_DISABLE = 0x2000_0000_0000_0000
FPCR_INEXACT_DISABLE = 0x4000_0000_0000_0000
FPCR_SUMMARY = SIGN
FPCR_IMPLEMENTED = -0x0000_8000_0000_0000  # bits 63:47

# A floating-point register as the T format: sign, 11 bits of exponent, 52 of fraction. AH 2.2.6
FRACTION_BITS = 52
FRACTION_MASK = 0x000F_FFFF_FFFF_FFFF
HIDDEN_BIT = 0x0010_0000_0000_0000
QUIET_BIT = 0x0008_0000_0000_0000
EXPONENT_MASK = 0x7FF
IEEE_BIAS = 1023
VAX_BIAS = 1025  # for a significand of 1.f; the VAX says 0.1f, excess 1024
INFINITY = 0x7FF0_0000_0000_0000
CANONICAL_NAN = -0x0008_0000_0000_0000  # FFF8000000000000. AH 4.7.10.4
TRUE = 0x4000_0000_0000_0000  # what comparisons answer: 2.0. VAX: 0.5
PRECISION_SINGLE = 24
PRECISION_DOUBLE = 53
SINGLE_LOWEST, SINGLE_HIGHEST = -126, 127  # exponents of 1.f
DOUBLE_LOWEST, DOUBLE_HIGHEST = -1022, 1023
F_LOWEST, F_HIGHEST = -128, 126
G_LOWEST, G_HIGHEST = -1024, 1022

# An S or F number between its 32 bits in memory and a register. AH 2.2.5, 2.2.1
SINGLE_TOP = 0xC000_0000  # sign and the exponent's first bit
SINGLE_REST = 0x3FFF_FFFF
SINGLE_DROPPED = 29
SINGLE_IN_REGISTER = -0x2000_0000  # the bits of a register that an S number uses
SINGLE_EXPONENT_SHIFT = 23
SINGLE_EXPONENT_MASK = 0xFF
SINGLE_FRACTION_MASK = 0x7F_FFFF
SINGLE_SIGN = 0x8000_0000
SINGLE_REBIAS = 896  # what the exponent grows by

# CALL_PAL functions that need nobody but the processor. AH II-B 2; all of them: layouts/palcode.py
CFLUSH = 0x01
DRAINA = 0x02
WRVAL = 0x31
RDVAL = 0x32
SWPIPL = 0x35
RDPS = 0x36
WRUSP = 0x38
RDUSP = 0x3A
WHAMI = 0x3C
FIRST_UNPRIVILEGED = 0x80
IMB = 0x86
RDUNIQUE = 0x9E
WRUNIQUE = 0x9F
