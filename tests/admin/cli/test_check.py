"""Does `septum check` say who owns what, or all that is wrong, to people and to programs?"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from septum.admin.cli import check
from septum.admin.cli.main import main
from septum.machine.model import HostNeed, Machine
from septum.partitions.draft import Draft
from septum.platforms.pc import Pc
from septum.settings import manual
from tests.captured import LAB
from tests.house.source import ROOT
from tests.machines import a_machine, address

TABLE = """\
[instances.blue]
kernel = "vmlinuz"
memory = { base = "64M", float = "32M" }
processors = { own = [1] }
functions = ["01:00.0"]
[instances.green]
kernel = "vmlinuz"
memory = "64M"
processors = { share = [0] }
"""
EXAMPLE = Path(__file__).parents[3] / "examples/two-systems.toml"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def machine(platform: Pc, draft: Draft, capture: str = "here") -> Machine:
        return a_machine(name=capture)

    monkeypatch.setattr(Pc, "machine", machine)
    monkeypatch.setattr(Pc, "captured", machine)
    (tmp_path / "vmlinuz").write_bytes(b"")
    path = tmp_path / "table.toml"
    path.write_text(TABLE)
    return path


def options(*words: str) -> Namespace:
    parser = ArgumentParser()
    check.arguments(parser)
    return parser.parse_args(words)


def test_what_to_bear_in_mind_is_said(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use = HostNeed(address("01:00.0"), "is below br0 (enp1s0)")
    elsewhere = HostNeed(address("02:00.0"), "shows something on a monitor (DP-1)")
    machine = a_machine(name="here", host_uses=(use, elsewhere))
    monkeypatch.setattr(Pc, "machine", lambda platform, draft: machine)
    assert check.run(options(str(table))) == 0
    text = capsys.readouterr().out
    assert "bear in mind:\n  0000:01:00.0 Linux uses it: it is below br0 (enp1s0)" in text
    assert "monitor" not in text
    assert check.run(options(str(table), "--json")) == 0
    (caution,) = json.loads(capsys.readouterr().out)["cautions"]
    assert caution["function"] == "0000:01:00.0" and "below br0" in caution["because"]
    monkeypatch.setattr(Pc, "machine", lambda platform, draft: a_machine())
    check.run(options(str(table)))
    assert "bear in mind" not in capsys.readouterr().out


def test_a_sound_table_is_listed(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(options(str(table))) == 0
    text = capsys.readouterr().out
    assert text.startswith("sound: 2 instances on here\n")
    assert re.search(r"^blue +64M and 32M to lend +1 \(own\) ", text, re.M)
    assert re.search(r"^0000:01:00\.0 +blue +e1000e +net:enp1s0$", text, re.M)
    assert "not checked" not in text


def test_a_capture_leaves_files_unchecked(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (table.parent / "vmlinuz").unlink()
    assert check.run(options(str(table), "--machine", "lab.tar.xz")) == 0
    assert "not checked: kernel and initrd files" in capsys.readouterr().out
    assert check.run(options(str(table))) == 1
    assert "table.toml:2: instances.blue.kernel" in capsys.readouterr().out


def test_for_programs(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(options(str(table), "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sound"] is True and answer["files_checked"] is True
    assert answer["instances"][0]["functions"] == ["0000:01:00.0"]
    table.write_text(TABLE.replace("[0]", "[7]"))
    assert check.run(options(str(table), "--json")) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["sound"] is False
    assert [finding["line"] for finding in answer["findings"]] == [9]
    assert set(answer["findings"][0]) == {"file", "line", "key", "what", "because", "remedy"}


def test_the_example_is_sound_on_the_lab_computer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLE), "--machine", LAB, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    owned = {one["name"]: one["functions"] for one in answer["instances"]}
    assert owned == {
        "blue": ["0000:00:03.0", "0000:01:00.0"],
        "green": ["0000:00:04.0", "0000:02:00.0"],
    }


def test_it_is_not_on_another_computer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", str(EXAMPLE), "--machine", str(tmp_path / "none")]) == 1
    assert "cannot read the capture" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.toml"), "--machine", LAB]) == 1
    assert "cannot read the table" in capsys.readouterr().out


def test_its_help_is_the_manual_of_tables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--help"])
    assert ended.value.code == 0
    assert manual() in capsys.readouterr().out


def test_where_a_bus_is_presented_it_says_where_functions_are_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    captured = ["--machine", str(Path(LAB).with_name("two-roots.tar.gz"))]
    assert main(["check", str(ROOT / "examples/two-roots.toml"), *captured]) == 0
    said = capsys.readouterr().out
    assert "FOUND AT" in said
    found = {line.split()[0]: line.split()[-1] for line in said.splitlines() if "0000:" in line}
    assert found["0000:81:00.0"] == "0000:01:00.0" and found["0000:03:00.0"] == "0000:02:00.0"
