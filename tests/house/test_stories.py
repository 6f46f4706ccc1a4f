"""Do the stations that ARCHITECTURE names for a story lead to each other, in its order?"""

from __future__ import annotations

import pytest

from tests.house.source import ROOT
from tests.house.stories import Station, calls, misplaced, reversed_order, stories, unreached

STORIES = stories((ROOT / "ARCHITECTURE.md").read_text())
# Who arms what the other stories meet: a handler's caller cannot be read from the source.
BOOT = "septum.instance.boot:run"


def test_there_are_five() -> None:
    assert len(STORIES) == 5
    assert all(len(stations) > 2 for stations in list(STORIES.values())[:4])


@pytest.mark.parametrize("title", STORIES)
def test_each_station_is_come_to_from_one_before(title: str) -> None:
    is_first = title == next(iter(STORIES))
    wrong = unreached(STORIES[title], () if is_first else (BOOT,))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("title", STORIES)
def test_stations_of_one_caller_come_in_the_text_s_order(title: str) -> None:
    wrong = [*misplaced(STORIES[title]), *reversed_order(STORIES[title])]
    assert not wrong, "\n".join(wrong)


def boot(*names: str) -> list[Station]:
    return [Station("instance/boot.py", name) for name in names]


def test_a_wrong_story_would_be_noticed() -> None:
    assert unreached(boot("run", "reserve", "load")) == []
    assert unreached(boot("load", "reserve"))
    assert misplaced(boot("run", "claim", "load")) == []
    (wrong,) = misplaced(boot("run", "load", "claim"))
    assert "comes to instance/boot.py:claim" in wrong
    assert unreached([*boot("reserve"), Station("admin/cli/up.py", "run")])
    (wrong,) = reversed_order(boot("load", "run"))
    assert "boot.py:run leads to" in wrong and reversed_order(boot("run", "load")) == []
    assert BOOT in calls().by_function
    text = "**1. A x** (y). `instance/boot.py:run` calls\n`instance/boot.py:load`.\n\nnext `a.py:b`"
    assert stories(text) == {"A x": boot("run", "load")}
