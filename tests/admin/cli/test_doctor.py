"""Does septum doctor say what it found, and exit as it says?"""

from __future__ import annotations

import json

import pytest

from septum.admin.cli import doctor
from septum.admin.cli.main import main
from septum.machine.readiness import Check

GOOD = Check("KVM", "yes", "it ran")
POOR = Check("huge pages", "poor", "none", "reserve some")
BAD = Check("IOMMU", "no", "none", "switch it on")
LEFT = Check("claims", "no", "not given back: 0000:01:00.0", "septum ps", stops=False)


@pytest.mark.parametrize(
    ("checks", "code", "sentence"),
    [
        ((GOOD, POOR), 0, "this computer can run instances"),
        ((GOOD, POOR, BAD), 1, "this computer cannot run instances yet: 1 of 3 say no"),
        (
            (GOOD, POOR, LEFT),
            1,
            "this computer can run instances; 1 of what was left behind needs attention",
        ),
    ],
)
def test_answers_and_remedies(
    checks: tuple[Check, ...],
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert main(["doctor"]) == code
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == sentence
    assert next(line for line in told if "try:" in line) == "    try: reserve some"
    assert main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["ready"] == (BAD not in checks)
