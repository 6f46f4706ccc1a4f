"""Are listings aligned, and values fit for people and for JSON?"""

from __future__ import annotations

import json

from septum.admin.cli.listing import cell, in_json, table
from septum.machine.inventory import inventory
from tests.captured import lab


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    rows = [{"name": "a", "used_by": 5}, {"name": "long", "used_by": 500}, {"name": "none"}]
    assert table(rows, ("name", "used_by")).splitlines() == [
        "NAME  USED BY",
        "a           5",
        "long      500",
        "none        -",
    ]


def test_no_rows_still_have_a_heading() -> None:
    assert table([], ("name", "state")) == "NAME  STATE"


def test_cells() -> None:
    assert [cell(value) for value in (None, "", True, ("a", 1), "a\tb\x1bc", 0)] == [
        "-", "-", "yes", "a,1", "a b c", "0",
    ]  # fmt: skip


def test_a_machine_goes_through_json() -> None:
    machine = json.loads(json.dumps(in_json(inventory(lab()))))
    assert machine["functions"][0]["address"] == "0000:00:00.0"
    assert machine["functions"][0]["configuration"].startswith("8680c029")
