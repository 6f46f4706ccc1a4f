"""Does each really reach for what is not its own, and is what comes of it read right?"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from septum.lab import attempts, report
from septum.lab.demo import TABLE
from septum.lab.terminal import Answer, Terminal
from septum.layouts import sym53c895a
from tests.lab.sound import MACHINE, PROMISED

# A shell in which what reaches for hardware writes down what it was to do
SHELL = """
busybox() {{ echo "$@" >>{log}; [ $# = 4 ] || echo 0xFFFFFFFF; }}
dd() {{ case $1 in of=*) echo "$1 $3 $(od -An -tx1)" >>{log} ;;
      *) echo "$1 $3" >>{log}; printf '\\377' ;; esac; }}
"""


@pytest.mark.parametrize("what", [report.MEMORY, report.CONFIGURATION, report.PORT])
def test_each_target_is_written_then_read(tmp_path: Path, what: str) -> None:
    targets = PROMISED["green"].targets
    log = tmp_path / "log"
    script = SHELL.format(log=log) + attempts.reaching(targets, what)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    mine = [target for target in targets if target.what == what]
    answers = {one["address"]: one["answered"] for one in attempts.tried(mine, done.stdout)}
    wanted = "ff" if what == report.PORT else "0xFFFFFFFF"
    assert answers == {target.address: wanted for target in mine}

    expected = []
    for target in mine:
        place = int(target.address, 16)
        if what == report.MEMORY:
            expected += [f"devmem {place:#x} 32 0", f"devmem {place:#x} 32"]
        elif what == report.CONFIGURATION:  # COMMAND, then the identity
            expected += [f"devmem {place + 4} 16 7", f"devmem {place:#x} 32"]
        else:
            expected += [f"of=/dev/port seek={place}  00", f"if=/dev/port skip={place}"]
    assert log.read_text().splitlines() == expected


def test_what_no_command_answered_has_no_answer() -> None:
    (only,) = attempts.tried(PROMISED["green"].targets[:1], "sh: busybox: not found\n")
    assert only["answered"] == ""


def test_both_systems_show_all_their_addresses_in_the_demos_table() -> None:
    text = attempts.reaching_table(TABLE.read_text())
    assert text.count('command_line = "iomem=relaxed ') == 2
    assert text.replace("iomem=relaxed ", "") == TABLE.read_text()


def test_dma_is_aimed_beyond_its_owner() -> None:
    read, write = attempts.aims(PROMISED)
    assert (read.how, write.how) == ("Read", "Write")
    # Past the end of green's memory, and where blue has memory
    assert PROMISED["green"].memory < read.address < PROMISED["blue"].memory
    windows = [bar["span"] for one in MACHINE["functions"] for bar in one["bars"]
               if one["address"] in PROMISED["blue"].functions]  # fmt: skip
    assert any(0 <= write.address - one["start"] < one["size"] for one in windows)


class Fake:
    """A console that answers in turn, and keeps what was typed."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.typed: list[str] = []

    def ask(self, command: str, seconds: float) -> Answer:
        self.typed.append(command)
        return Answer(0, self.texts.pop(0))


def test_a_device_carries_out_each_aim_between_two_drivers() -> None:
    mine = attempts.controller_of(PROMISED["green"], MACHINE)
    aims = attempts.aims(PROMISED)
    console: Any = Fake(
        "", "got 0x0\nended 0x84\n", "got 0x5A5A5A5A\nended 0x84\n", "again ab  -\n"
    )
    done = attempts.by_device(cast(Terminal, console), mine, aims, "/dev/sda", 1.0)
    assert [(aim["got"], aim["ended"]) for aim in done["aims"]] == [
        ("0x0", "0x84"),
        ("0x5A5A5A5A", "0x84"),
    ]
    assert (done["device"], done["read_again"]) == ("0000:00:04.0", "ab")
    off, first, second, back = console.typed
    assert f"{mine.address} >{attempts.DRIVER}/unbind" in off
    assert f"{mine.address} >{attempts.DRIVER}/bind" in back
    place = mine.ram + attempts.MOVED_TO
    for typed, ends in ((first, (aims[0].address, place)), (second, (place, aims[1].address))):
        for number, word in enumerate(sym53c895a.moving(*ends, attempts.MOVED)):
            assert f"devmem {mine.ram + 4 * number:#x} 32 {word:#x};" in typed
        start = f"devmem {mine.registers + sym53c895a.DSP:#x} 32 {mine.ram:#x}"
        assert typed.index(start) > typed.index(f"{mine.ram + 16:#x} 32")
