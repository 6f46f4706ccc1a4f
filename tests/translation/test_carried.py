"""Is each verdict carried out on the real function as it says, and in the right order?"""

from __future__ import annotations

import pytest

from septum.translation.carried import CarriedOut
from septum.translation.pci_table import Effect
from septum.translation.verdict import Accept, Emulate, Modify, Reject, Verdict


class Space:
    """Gives one verdict, whatever is asked."""

    def __init__(self, verdict: Verdict, effect: Effect | None = None) -> None:
        self.verdict = verdict
        self.effect = effect

    def read(self, offset: int, width: int) -> Verdict:
        return self.verdict

    def merge(self, offset: int, width: int, from_device: int) -> int:
        return from_device | 0xF000

    def write(self, offset: int, width: int, value: int) -> tuple[Verdict, Effect | None]:
        return self.verdict, self.effect


def carried(verdict: Verdict, story: list[object], effect: Effect | None = None) -> CarriedOut:
    return CarriedOut(
        Space(verdict, effect),
        lambda offset, width: 0xABC,
        lambda offset, width, value: story.append((offset, width, value)),
        lambda effect: story.append(("before", effect)),
        lambda effect: story.append(("after", effect)),
    )


@pytest.mark.parametrize(
    ("verdict", "seen", "written", "why"),
    [
        (Accept(), 0xABC, [(4, 2, 7)], ""),
        (Modify(5, "masked"), 0xFABC, [(4, 2, 5)], ""),
        (Emulate(0x11), 0x11, [], ""),
        (Reject("never"), 0xFFFF, [], "never"),
    ],
)
def test_a_verdict_is_done(
    verdict: Verdict, seen: int, written: list[object], why: str
) -> None:
    story: list[object] = []
    space = carried(verdict, story)
    assert space.read(4, 2) == seen
    assert space.write(4, 2, 7) == why
    assert story == written


def test_what_a_write_takes_away_is_gone_before_the_function_obeys() -> None:
    story: list[object] = []
    carried(Accept(), story, Effect.COMMAND).write(4, 2, 0)
    assert story == [("before", Effect.COMMAND), (4, 2, 0), ("after", Effect.COMMAND)]


def test_what_is_played_has_no_function_behind_it() -> None:
    space = CarriedOut(Space(Accept(), Effect.BAR))
    assert space.read(0, 4) == 0xFFFFFFFF
    assert space.write(0, 4, 1) == ""
