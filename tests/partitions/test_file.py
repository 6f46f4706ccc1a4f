"""Is every text that is not a table answered with findings, never with a traceback?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as some

from septum.partitions.file import read
from septum.partitions.findings import UnsoundTable
from septum.partitions.places import Places
from septum.partitions.table import checked
from septum.settings import SETTINGS
from tests.machines import a_machine

KEYS = sorted({item.key for item in SETTINGS} | {"machine", "instances", "blue", "x.y", '"a b"'})
VALUES = [
    *("1", "-1", "0", "1.5", "nan", "true", '""', '"512M"', '"0000:01:00.0"', '"00:07.0"', '"03"'),
    *("[]", "[[]]", '["01:00.0", 3]', "[0, 1]", "[99]", "{}", "{ base = 1 }", "{ share = [0] }"),
    *("{ own = [0], weight = 5 }", "1979-05-27T07:32:00Z", "'''\nx\n'''", '"pc"', '"\\u0000"'),
    *("99999999999999999999999", "{ share = 1 }", '{ base = "64M", float = "1M" }'),
]
lines = some.one_of(
    some.builds("{} = {}".format, some.sampled_from(KEYS), some.sampled_from(VALUES)),
    some.builds("[{}]".format, some.sampled_from(["machine", "instances", "instances.blue", "x"])),
    some.builds("[[{}]]".format, some.sampled_from(["machine", "instances", "instances.blue"])),
    some.text(max_size=12),
)


@settings(max_examples=300)
@given(some.lists(lines, max_size=12))
def test_any_text_is_a_table_or_has_findings(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.toml"
        path.write_bytes("\n".join(texts).encode("utf-8", "surrogatepass"))
        count = path.read_bytes().count(b"\n") + 1
        try:
            table = checked(str(path), a_machine(), files_exist=None)
        except UnsoundTable as refused:
            assert refused.findings
            assert str(refused).count("  try:     ") == len(refused.findings)
            assert all(1 <= finding.where.line <= count for finding in refused.findings)
        else:
            assert table.partitions


def test_reading_needs_no_machine(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text('[instances.blue]\nfunctions = ["01:00.0"]\nmemory = "1G"\n')
    draft = read(str(path))
    assert [instance.name for instance in draft.instances] == ["blue"]
    assert [item.word for item in draft.instances[0].functions] == ["01:00.0"]
    assert {finding.what for finding in draft.findings} == {
        "kernel is missing",
        "processors is missing",
    }


def test_places() -> None:
    places = Places(
        "\n".join(
            [
                "[a]  # [b]",
                "x = '''",
                "y = 1",
                "'''",
                'b."c d".e = [',
                "  1, # 7",
                "  7,",
                "]",
                "  [ a . f ]",
                "z = { q = 1 }",
            ]
        )
    )
    assert places.line(("a",)) == 1
    assert places.line(("a", "y")) == 1  # inside a text: no key
    assert places.line(("a", "b", "c d", "e")) == 5
    assert places.line(("a", "b", "c d", "e"), "7") == 7
    assert places.line(("a", "f", "z", "q")) == 10
    assert places.line(("nothing",)) == 1
