"""Do the tables say what the view says, and does an independent reader agree?

The witness is Intel's `iasl`: it disassembles every table and compiles the namespace again.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from septum.discovery.acpi.tables import Tables, description_tables
from septum.discovery.routing import route
from septum.discovery.view import View
from septum.errors import MachineProblem
from tests.discovery.test_view import seen, two_roots

BASE, END = 0xE0000, 0x100000


def tables_of(found: View, processors: tuple[int, ...] = (0, 1)) -> Tables:
    return description_tables(found, processors, route(found))


def blue() -> Tables:
    return tables_of(seen("00:04.0", "01:00.0"))


def wide() -> Tables:
    return tables_of(seen("42:00.0", "42:00.1", "0001:00:02.0", machine=two_roots()))


def by_name(tables: Tables) -> dict[str, tuple[int, bytes]]:
    named = {blob[:4].decode(): (address, blob) for address, blob in tables.blobs}
    assert len(named) == len(tables.blobs)
    return named


def number(blob: bytes, offset: int, width: int) -> int:
    return int.from_bytes(blob[offset : offset + width], "little")


def test_an_os_finds_every_table_from_the_first() -> None:
    tables = blue()
    placed = dict(tables.blobs)
    named = by_name(tables)
    rsdp = placed[tables.address]
    assert tables.address % 16 == 0 and BASE <= tables.address < END
    assert rsdp[:8] == b"RSD PTR " and rsdp[15] == 2
    for pointer, width, signature in (
        (number(rsdp, 16, 4), 4, b"RSDT"),
        (number(rsdp, 24, 8), 8, b"XSDT"),
    ):
        root = placed[pointer]
        assert root[:4] == signature
        entries = range(36, number(root, 4, 4), width)
        listed = [placed[number(root, at, width)][:4] for at in entries]
        assert listed == [b"FACP", b"APIC", b"MCFG"]
    fadt = named["FACP"][1]
    assert placed[number(fadt, 36, 4)][:4] == placed[number(fadt, 132, 8)][:4] == b"FACS"
    assert placed[number(fadt, 40, 4)][:4] == placed[number(fadt, 140, 8)][:4] == b"DSDT"


@pytest.mark.parametrize("tables", [blue(), wide()])
def test_sums_and_lengths(tables: Tables) -> None:
    for address, blob in tables.blobs:
        assert address % (64 if blob[:4] == b"FACS" else 16) == 0
        if blob[:4] == b"RSD ":
            assert sum(blob[:20]) % 256 == sum(blob) % 256 == 0
            assert number(blob, 20, 4) == len(blob)
            continue
        assert number(blob, 4, 4) == len(blob)
        if blob[:4] != b"FACS":
            assert sum(blob) % 256 == 0


@pytest.mark.parametrize("tables", [blue(), wide()])
def test_tables_lie_one_after_the_other(tables: Tables) -> None:
    reached = BASE
    for address, blob in tables.blobs:
        assert address >= reached
        reached = address + len(blob)
    assert reached <= END


def test_too_many_processors_are_refused() -> None:
    with pytest.raises(MachineProblem, match="do not fit"):
        tables_of(seen("00:04.0"), tuple(range(4096)))


@pytest.fixture(scope="module")
def iasl() -> str:
    path = shutil.which("iasl")
    if path is None:
        pytest.fail("iasl is missing: apt-get install acpica-tools (make test does it)")
    return path


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    return text


def disassembled(iasl: str, tables: Tables, folder: Path) -> dict[str, str]:
    """Each table as iasl reads it; complaints fail the test."""
    texts = {}
    for name, (_, blob) in by_name(tables).items():
        if name == "RSD ":
            continue
        (folder / f"{name}.dat").write_bytes(blob)
        said = run(iasl, "-d", f"{name}.dat", folder=folder)
        text = (folder / f"{name}.dsl").read_text()
        for word in ("Error", "Warning", "Invalid", "Incorrect", "Unknown", "**"):
            assert word not in said, said
            assert word not in text.replace("/**", ""), text
        texts[name] = " ".join(text.split())
    return texts


@pytest.mark.parametrize("tables", [blue(), wide()])
def test_the_namespace_compiles_again(iasl: str, tables: Tables, tmp_path: Path) -> None:
    disassembled(iasl, tables, tmp_path)
    said = run(iasl, "-tc", "DSDT.dsl", folder=tmp_path)
    assert "0 Errors, 0 Warnings" in said


def test_what_the_witness_reads(iasl: str, tmp_path: Path) -> None:
    text = disassembled(iasl, blue(), tmp_path)
    for line in (
        "SCI Interrupt : 0009",
        "SMI Command Port : 00000000",
        "PM1A Event Block Address : 00000600",
        "PM1A Control Block Address : 00000604",
        "PM Timer Block Address : 00000608",
        "Reset Register Supported (V2) : 1",
        "Control Method Power Button (V1) : 0",
        "Control Method Sleep Button (V1) : 1",
        "Hardware Reduced (V5) : 0",
        "32-bit PM Timer (V1) : 1",
        "8042 Present on ports 60/64 (V2) : 0",
        "VGA Not Present (V4) : 1",
        "CMOS RTC Not Present (V5) : 1",
        "PCIe ASPM Not Supported (V4) : 1",
        "Value to cause reset : 06",
    ):
        assert line in text["FACP"], line
    assert text["APIC"].count("Subtable Type : 00 [Processor Local APIC]") == 2
    assert text["APIC"].count("Subtable Type : 02 [Interrupt Source Override]") == 2
    assert "Base Address : 00000000B0000000" in text["MCFG"]
    for piece in (
        "Name (_S5, Package (0x04) // _S5_: S5 System State { 0x05, 0x05, Zero, Zero })",
        'Name (_HID, EisaId ("PNP0A08")',
        "Package (0x04) { 0x0001FFFF, Zero, Zero, 0x10 }",
        "Package (0x04) { 0x0004FFFF, Zero, Zero, 0x11 }",
        "Memory32Fixed (ReadWrite, 0xB0000000, // Address Base 0x00200000",
        "IRQNoFlags () {4}",
        "0x80000000, // Range Minimum 0xAFFFFFFF, // Range Maximum",
        "0x0000000180000000, // Range Minimum 0x000000097FFFFFFF, // Range Maximum",
    ):
        assert piece in text["DSDT"].replace("\\_S5", "_S5"), piece
    assert "0x000A0000" not in text["DSDT"], "the VGA hole is nobody's"


def test_each_root_bus_in_use_is_a_root(iasl: str, tmp_path: Path) -> None:
    text = disassembled(iasl, wide(), tmp_path)
    assert text["DSDT"].count('EisaId ("PNP0A08")') == 3
    assert "Name (_BBN, 0x40)" in text["DSDT"]
    assert "Name (_SEG, One)" in text["DSDT"]
    assert text["MCFG"].count("Base Address :") == 2


def test_many_processors_use_wide_entries_where_they_must(iasl: str, tmp_path: Path) -> None:
    text = disassembled(iasl, tables_of(seen("00:04.0"), (0, 2, 254, 255, 300)), tmp_path)
    assert text["APIC"].count("[Processor Local APIC]") == 3
    assert text["APIC"].count("[Processor Local x2APIC]") == 2
