"""Guests that try to break out: what they see, how they end, and that all is given back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from septum.lab import hostile
from septum.lab.run import Lab

FUNCTION = "0000:02:00.0"  # Ethernet 2 of the lab computer
TABLE = """
[machine]
platform = "pc"
[instances.hostile]
kernel = "/var/tmp/{name}.elf"
command_line = ""
memory = "64M"
processors = {{ share = [0] }}
functions = ["{function}"]
"""
COARSE = 61  # of 65536 ports; each access leaves the guest, which costs the lab half a millisecond


def attack(lab: Lab, folder: Path, name: str, **symbols: int) -> tuple[int, str]:
    """Run one guest with an owned function; exit code and all that was said."""
    guest = hostile.make(name, folder, **symbols)
    table = folder / f"{name}.toml"
    table.write_text(TABLE.format(name=name, function=FUNCTION))
    lab.put(guest, f"/var/tmp/{name}.elf")
    lab.put(table, f"/var/tmp/{name}.toml")
    done = lab.run(f"septum run -v /var/tmp/{name}.toml hostile < /dev/null", timeout=180)
    return done.code, done.stdout + done.stderr


def driver(lab: Lab) -> str:
    return lab.run(f"basename $(readlink /sys/bus/pci/devices/{FUNCTION}/driver)").stdout.strip()


@pytest.fixture(autouse=True)
def everything_is_given_back(lab: Lab) -> None:
    lab.run("modprobe kvm_amd", check=True)
    lab.run("udevadm settle", check=True)


@pytest.mark.parametrize(
    ("name", "symbols", "code", "says"),
    [
        ("every-port", {"STRIDE": COARSE}, 0, "every-port: alive"),
        ("every-function", {}, 0, "every-function: alive"),
        ("every-page", {}, 0, "answered in all 0000000000000002"),  # host bridge and card, by ECAM
        ("reset", {}, 0, "hostile: reset"),
        ("triple-fault", {}, 1, "shut down (triple fault)"),
        ("wild-jump", {}, 1, "failed"),
    ],
)
def test_a_hostile_guest_ends_by_itself_and_takes_nothing_along(
    lab: Lab, tmp_path: Path, name: str, symbols: dict[str, int], code: int, says: str
) -> None:
    before = driver(lab)
    ended, said = attack(lab, tmp_path, name, **symbols)
    assert says in said, said
    assert "FAILED" not in said, said
    assert "Traceback" not in said, said
    assert ended == code, said
    assert driver(lab) == before
    assert lab.run("ls /run/septum/claims/*.json").code != 0
    assert lab.run("cat /proc/sys/vm/nr_hugepages").stdout.strip() == "0"


def test_all_of_its_own_configuration_space_may_be_overwritten(lab: Lab, tmp_path: Path) -> None:
    """Host bridge, root port and the owned function answered; the host still finds its own."""
    _, said = attack(lab, tmp_path, "every-function")
    assert "every-function: answered 0000000000000003" in said, said
    rows = json.loads(lab.run("septum scan --json", check=True).stdout)
    assert FUNCTION in json.dumps(rows)
    faults = lab.run("dmesg | grep -c 'DMAR:.*fault'").stdout.strip()
    assert faults == "0", lab.run("dmesg | tail -20").stdout


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"#!/bin/sh\n", "neither a Linux bzImage nor an ELF file"),
        (b"", "neither a Linux bzImage nor an ELF file"),
        (b"\x7fELF" + bytes(60), "ELF"),
    ],
)
def test_a_kernel_that_is_none_is_refused_before_anything_is_taken(
    lab: Lab, tmp_path: Path, content: bytes, because: str
) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(content)
    table = tmp_path / "table.toml"
    table.write_text(TABLE.format(name="wrong", function=FUNCTION))
    lab.put(kernel, "/var/tmp/wrong.elf")
    lab.put(table, "/var/tmp/wrong.toml")
    before = driver(lab)
    done = lab.run("septum up /var/tmp/wrong.toml", timeout=120)
    assert done.code == 1
    assert because in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert driver(lab) == before
    lab.run("septum down --now", timeout=60)
