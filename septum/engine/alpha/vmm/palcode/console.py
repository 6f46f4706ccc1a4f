"""What does the console do when the OS calls it back? GETC, PUTS, GET_ENV, FIXUP. ARM III, 2.3."""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.registers import WORD, OutsideMemory, Palcode, signed
from septum.engine.alpha.vmm.palcode.walk import Fault, kernel_page
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode
from septum.layouts.palcode import Callback

_V0, _A0, _A1, _A2, _A3, _A4 = 0, 16, 17, 18, 19, 20
_SUCCEED = frozenset(
    (Callback.RESET_TERM, Callback.OPEN_CONSOLE, Callback.CLOSE_CONSOLE, Callback.CLOSE)
)


def dispatch(pal: Palcode) -> None:
    """The DISPATCH routine: r16 says which; what we do not have fails."""
    code, r = pal.r[_A0], pal.r
    pal.counters["console callback"] += 1
    try:
        if code == Callback.PUTS:
            text = _read(pal, r[_A2], min(r[_A3] & WORD, palcode.LONGEST_PUTS))
            pal.output(text)
            r[_V0] = len(text)
        elif code == Callback.GETC:
            r[_V0] = signed(palcode.CALLBACK_NOTHING)
        elif code == Callback.GET_ENV:
            r[_V0] = signed(_get_environment(pal, r[_A1], r[_A2], r[_A3] & WORD))
        else:
            r[_V0] = 0 if code in _SUCCEED else signed(palcode.CALLBACK_FAILED)
    except (Fault, OutsideMemory) as error:
        pal.reject("console callback", str(error))
        r[_V0] = signed(palcode.CALLBACK_FAILED)


def _get_environment(pal: Palcode, variable: int, address: int, size: int) -> int:
    text = pal.environment.get(variable)
    if text is None:
        return palcode.CALLBACK_ENV_ABSENT
    _write(pal, address, text[:size])
    return min(len(text), size)


def _read(pal: Palcode, address: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        place = signed(address + len(found))
        part = min(size - len(found), a.PAGE_SIZE - (place & a.PAGE_OFFSET))
        page = kernel_page(pal, place, s.READ)
        found += pal.read_bytes(page << a.PAGE_SHIFT | place & a.PAGE_OFFSET, part)
    return bytes(found)


def _write(pal: Palcode, address: int, data: bytes) -> None:
    for at, value in enumerate(data):
        place = signed(address + at)
        page = kernel_page(pal, place, s.WRITE)
        pal.write_bytes(page << a.PAGE_SHIFT | place & a.PAGE_OFFSET, bytes((value,)))


def fixup(pal: Palcode) -> None:
    """The FIXUP routine: the console's pages will stand at r16; its code's addresses follow."""
    new_base = pal.r[_A0]
    try:
        callbacks = pal.read_quad(palcode.HWRPB + hwrpb.Hwrpb.offset_of("callbacks_offset"))
        block = palcode.HWRPB + callbacks
        old_base = pal.read_quad(block + hwrpb.CallbackBlock.SIZE)
        for name in ("dispatch_physical", "fixup_physical"):
            descriptor = pal.read_quad(block + hwrpb.CallbackBlock.offset_of(name))
            place = descriptor + hwrpb.Procedure.offset_of("address")
            pal.write_quad(place, pal.read_quad(place) - old_base + new_base)
    except OutsideMemory as error:
        pal.reject("console callback", error.why)
        pal.r[_V0] = signed(palcode.CALLBACK_FAILED)
        return
    pal.r[_V0] = 0
