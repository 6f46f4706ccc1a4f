"""Is the moderation table sound in itself, row by row?"""

from __future__ import annotations

from itertools import pairwise

import pytest

from septum.translation import pci_emulated, pci_table
from septum.translation.pci_table import Row

TABLES = {
    "endpoint": pci_table.ENDPOINT,
    "express 1": pci_table.EXPRESS_1,
    "express 2": pci_table.EXPRESS_2,
    "bridge": pci_emulated.BRIDGE,
    "bridge's express": pci_emulated.BRIDGE_EXPRESS,
    **{f"msi {shape}": rows for shape, rows in pci_table.MSI.items()},
    **{f"capability {number}": table.rows for number, table in pci_table.FIXED.items()},
    **{f"extended {number}": table.rows for number, table in pci_table.EXTENDED.items()},
}

each_table = pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES.keys())


@each_table
def test_a_bit_has_one_fate(rows: tuple[Row, ...]) -> None:
    for row in rows:
        width = row.register.width
        for mask in (row.kept, row.forwarded, row.hidden, row.trigger):
            assert 0 <= mask < 1 << width, row
        assert row.kept & row.forwarded == 0, row
        assert (row.kept | row.forwarded) & row.hidden == 0, row
        assert not (row.live and row.kept), "what the owner keeps, the device cannot answer"


@each_table
def test_a_register_has_one_row(rows: tuple[Row, ...]) -> None:
    places = sorted((row.register.offset, row.register.width // 8) for row in rows)
    for (offset, width), (following, _) in pairwise(places):
        assert offset + width <= following


@each_table
def test_an_effect_stays_within_a_dword(rows: tuple[Row, ...]) -> None:
    for row in rows:
        if row.effect is not None:
            assert row.register.offset % 4 + row.register.width // 8 <= 4


def test_a_capability_holds_its_rows() -> None:
    for table in (*pci_table.FIXED.values(), *pci_table.EXTENDED.values()):
        for row in table.rows:
            assert row.register.offset + row.register.width // 8 <= table.size
