"""Is it counted which decisions both platforms import, and do they share no less than before?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.shared_decisions import Counted, Package, counted, report, share
from tests.house.source import ROOT

# Percent of the lines of decisions that run, formats left out. Raise it as more is shared.
AT_LEAST = 70

FILES = {
    "instance/boot.py": "import septum.translation.both\nfrom septum.machine import pc_only\n",
    "software/computer.py": "def f():\n    from septum.translation.both import x\n",
    "engine/alpha/vmm/monitor.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import septum.memory.types_only\n"
        "from septum.discovery.hwrpb import y\n"
    ),
    "translation/both.py": "# a comment\n\nx = 1\nfrom septum.shared.further import z\n",
    "shared/further.py": "z = 1\n",
    "machine/pc_only.py": "a = 1\nb = 2\n",
    "memory/types_only.py": "a = 1\n",
    "discovery/hwrpb.py": "y = 1\n",
    "discovery/nobody.py": "y = 1\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "septum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (path.parent / "__init__.py").write_text('"""A folder."""\n')
    return tmp_path


def test_what_runs_is_counted_with_who_imports_it(checkout: Path) -> None:
    assert counted(checkout) == [
        Counted("septum.discovery.hwrpb", 1, ("alpha",), True),
        Counted("septum.machine.pc_only", 2, ("pc",), False),
        Counted("septum.shared.further", 1, ("pc", "alpha"), False),
        Counted("septum.translation.both", 2, ("pc", "alpha"), False),
    ]
    assert share(counted(checkout)) == (3, 6)
    assert "3 of 5 lines are imported by both: 60.0 %\n" in report(checkout)


def test_the_paths_are_those_that_run() -> None:
    """A beginning that was renamed would count nothing."""
    package = Package(ROOT)
    for name in ("septum.instance.boot", "septum.software.computer"):
        assert name in package.files
    assert "septum.engine.alpha.vmm.monitor" in package.files


def test_the_platforms_share_no_less_than_before() -> None:
    both, total = share([one for one in counted(ROOT) if not one.is_format])
    assert 100 * both >= AT_LEAST * total, report(ROOT)
