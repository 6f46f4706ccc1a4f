"""Is a platform found by its name alone, and would a third one be?"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from septum import platforms, settings
from septum.admin.cli import main
from septum.errors import MachineProblem
from septum.host.journal import Journal
from septum.partitions.file import read
from septum.partitions.findings import UnsoundTable
from septum.platforms import registry
from septum.platforms.pc import Pc, whole
from septum.platforms.platform import Platform
from tests.house.source import modules
from tests.machines import a_machine

TABLE = """\
[machine]
platform = "{platform}"

[instances.blue]
kernel = "kernel"
memory = "64M"
processors = {{ share = [0] }}
"""


def test_every_platform_has_its_module() -> None:
    folder = Path(platforms.__path__[0])
    found = {path.stem for path in folder.glob("*.py")} - {"__init__", "platform", "registry"}
    assert found == set(settings.PLATFORM_NAMES)
    assert all(isinstance(registry.platform(name), Platform) for name in found)


def test_nobody_asks_a_platform_for_its_name() -> None:
    """Outside the folder, no code compares anything with the name of one."""
    names = (*settings.PLATFORM_NAMES, *(name.encode() for name in settings.PLATFORM_NAMES))
    wrong = [
        f"{module.path}:{compared.lineno}"
        for module in modules()
        if module.layer not in ("platforms", "lab")
        for compared in ast.walk(module.tree)
        if isinstance(compared, ast.Compare)
        for part in (compared.left, *compared.comparators)
        if isinstance(part, ast.Constant) and part.value in names
    ]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A third platform: one line of the settings, one module."""

    class Toy(Pc):
        """Another name for a computer that is made up."""

        def machine(self, draft: Any) -> Any:
            return a_machine(name="a toy")

        def restore(self, journal: Journal) -> list[str]:
            return ["a toy: given back"]

    module = ModuleType("septum.platforms.toy")
    module.PLATFORM = Toy()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "septum.platforms.toy", module)
    row = settings.PlatformName("toy", {"instance.interrupts": "toys have none"})
    rows = (*settings.PLATFORMS, row)
    names = tuple(row.name for row in rows)
    monkeypatch.setattr(settings, "PLATFORMS", rows)
    monkeypatch.setattr(settings, "PLATFORM_NAMES", names)
    monkeypatch.setattr(registry, "PLATFORMS", rows)
    shape = settings.setting("machine", "platform")._replace(shape=settings._one_of(*names))
    others = tuple(item for item in settings.SETTINGS if item.key != "platform")
    monkeypatch.setattr(settings, "SETTINGS", (shape, *others))
    yield SimpleNamespace(platform=module.PLATFORM)
    registry.known.pop("toy", None)


def test_a_third_platform_is_one_entry(
    toy: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "kernel").write_text("")
    path = tmp_path / "toy.toml"
    path.write_text(TABLE.format(platform="toy"))
    assert main.main(["check", str(path)]) == 0
    assert "1 instance on a toy" in capsys.readouterr().out
    path.write_text(TABLE.format(platform="toy") + "isa = []\n")
    assert main.main(["check", str(path)]) == 0, "its line says nothing against that"
    path.write_text(TABLE.format(platform="toy") + 'interrupts = "queue"\n')
    assert main.main(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "interrupts is not for the platform toy" in said and "toys have none" in said
    monkeypatch.setitem(registry.known, "pc", SimpleNamespace(restore=lambda journal: ["a pc"]))
    assert registry.restore(Journal(str(tmp_path))) == ["a pc", "a toy: given back"]


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ('isa = ["serial1"]', "ISA bus"),
        ('interrupts = "queue"', "KVM delivers them"),
        ('memory = { base = "64M", at = "64M" }', "what memory it has free"),
    ],
)
def test_words_that_a_platform_has_no_use_for_are_refused(
    line: str, because: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.toml"
    text = TABLE.format(platform="pc")
    if line.startswith("memory"):
        text = text.replace('memory = "64M"\n', "")
    path.write_text(text.replace("processors", line + "\nprocessors"))
    (found,) = read(str(path)).findings
    key = "at" if "at =" in line else line.split()[0]
    assert found.what == f"{key} is not for the platform pc"
    assert because in found.because and found.remedy == "leave it out"
    assert found.where.line == 7 - line.startswith("memory"), "where it stands"
    path.write_text(path.read_text().replace('"pc"', '"alpha"'))
    assert read(str(path)).findings == ()


def test_a_computer_is_named_only_where_there_is_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(TABLE.format(platform="pc").replace('"pc"', '"pc"\ncomputer = "clipper"'))
    (found,) = read(str(path)).findings
    assert found.what == "computer is not for the platform pc"


def test_a_platform_that_cannot_be_read_refuses_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(TABLE.format(platform="beta") + "isa = []\n")
    (found,) = read(str(path)).findings
    assert "none of pc, alpha" in found.because


def test_a_start_on_the_pc_loads_nothing_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(TABLE.format(platform="pc"))
    code = f"""
import sys
from septum.admin.cli import main
module = main.command_module("run")
from septum.admin.cli import tables
platform = module.process_platform(tables.draft_of({str(path)!r}))
platform.warm_up()
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "septum.platforms.pc" in loaded and "septum.instance.boot" in loaded
    assert not [
        name
        for name in loaded
        if name.split(".")[0] in ("numpy", "numba")
        or name.startswith(("septum.engine.alpha", "septum.software", "septum.platforms.alpha"))
    ]


def test_a_machine_without_a_processor_is_no_machine() -> None:
    with pytest.raises(MachineProblem, match="shows no processor"):
        whole(a_machine(processors=()))


def test_kernels_of_software_computers_are_looked_at_before_a_start(tmp_path: Path) -> None:
    from septum.admin.cli.tables import draft_of, sound_table

    path = tmp_path / "table.toml"
    (tmp_path / "kernel").write_text("no kernel")
    text = TABLE.format(platform="alpha").replace('"alpha"', '"alpha"\ncomputer = "clipper"')
    path.write_text(text)
    draft = draft_of(str(path))
    with pytest.raises(UnsoundTable) as caught:
        sound_table(draft, registry.platform("alpha").machine(draft))
    assert caught.value.findings[0].where.line == 6
