"""Are memory maps, totals and pools read as Linux writes them?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from septum.machine.capture import CapturedFiles
from septum.machine.memory import huge_pages, memory_map, memory_totals, resources
from septum.units import Span

IOMEM = "00001000-0009ffff : System RAM\n  00002000-00002fff : a : b\n000a0000-000bffff : PCI\n"


def test_resources_keep_depth_and_name() -> None:
    assert resources(IOMEM) == (
        (0, Span(0x1000, 0x9F000), "System RAM"),
        (1, Span(0x2000, 0x1000), "a : b"),
        (0, Span(0xA0000, 0x20000), "PCI"),
    )


def test_hidden_addresses_are_no_addresses() -> None:
    assert resources("00000000-00000000 : System RAM\n00000000-00000000 : PCI Bus 0000:00\n") == ()


@given(st.text(alphabet="0123456789abcdef-: \nxP", max_size=80))
def test_any_text_gives_spans_that_are_sound(text: str) -> None:
    assert all(line.span.start >= 0 and line.span.size > 0 for line in resources(text))


def test_the_map_comes_from_firmware_first() -> None:
    entries: dict[str, bytes | str | None] = {"/proc/iomem": IOMEM.encode()}
    assert memory_map(CapturedFiles(entries))[0] == (Span(0x1000, 0x9F000), "System RAM")
    folder = "/sys/firmware/memmap/0"
    entries |= {f"{folder}/start": b"0x0\n", f"{folder}/end": b"0x9fbff\n"}
    entries[f"{folder}/type"] = b"System RAM\n"
    assert memory_map(CapturedFiles(entries)) == ((Span(0, 0x9FC00), "System RAM"),)


def test_totals_and_pools() -> None:
    pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    files = CapturedFiles(
        {
            "/proc/meminfo": b"MemTotal:  2048 kB\nMemFree: 100 kB\nHugePages_Total: 0\nx\n",
            f"{pool}/nr_hugepages": b"8\n",
            f"{pool}/free_hugepages": b"3\n",
        }
    )
    assert memory_totals(files) == (2048 << 10, 100 << 10)
    assert huge_pages(files) == ((2 << 20, 8, 3),)
