"""Does every kind of device work in an instance, and what the hardware keeps apart in two?

In a lab computer of its own, with all that QEMU can make and Linux has a driver for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from septum.lab import drivers, lost
from septum.lab.computer import read_computer
from septum.lab.demo import PATIENCE
from septum.lab.drivers import Tried, tried
from septum.lab.run import Lab
from septum.lab.terminal import Terminal
from tests.captured import CABINET
from tests.lab.cabinet import DISK, EVERY, LEFT, LINE, NETWORK, RIGHT, Expected, Owner, owner, table
from tests.lab.captures import same

PLACE = "/var/tmp/cabinet.toml"
ALL_OF_THEM = 240.0  # seconds that one system gets to try every device


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Lab]:
    """Another lab computer than that of the other tests, for those of this file."""
    with Lab(read_computer("cabinet")) as lab:
        yield lab


@contextmanager
def at_work(lab: Lab, *owners: Owner) -> Iterator[dict[str, Tried]]:
    """These instances, started; what each said of them, when it had tried all."""
    initrd = drivers.build(lab.host_tree, lab.progress)
    lab.put(initrd, f"/var/tmp/{drivers.INITRD}")
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    lab.run("septum down", timeout=PATIENCE)
    answers = json.loads(lab.run("septum scan --json", check=True).stdout)["division"]
    without_reset = tuple(one["address"] for one in answers if one["without_reset"])
    text = table(*(one.text(without_reset) for one in owners))
    lab.run(f"cat > {PLACE}", stdin=text.encode(), check=True)
    arrivals = lost.Arrivals(lab)
    lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
    terminals = {name: Terminal(lab, name, lab.folder / f"{name}.log") for name, *_ in owners}
    try:
        for terminal in terminals.values():
            arrivals.wait_for(terminal, drivers.END, ALL_OF_THEM)
            assert "nobody cared" not in terminal.heard  # of a line that only others' devices hold
        yield {name: tried(terminal.heard) for name, terminal in terminals.items()}
    finally:
        for terminal in terminals.values():
            terminal.close()
        down = lab.run("septum down", timeout=PATIENCE)
    assert down.code == 0 and "given back" in down.stdout, down


def requests(lab: Lab, name: str) -> dict[str, dict[str, int]]:
    """How often each request of each function came, of the interrupt table."""
    rows: list[dict[str, Any]] = json.loads(
        lab.run(f"septum show interrupts {name} --json", check=True).stdout
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["instance"] == name and row["count"]:
            for address in EVERY:
                if address in str(row["device"]):
                    found.setdefault(address, {})[row["request"]] = row["count"]
    (lab.folder / f"{name}.requests.json").write_text(json.dumps(found, indent=1))
    return found


def works(address: str, expected: Expected, found: Tried) -> bool:
    """Whether it did what it is good for."""
    if expected.use == NETWORK:
        lease, answered = found.networks.get(address, "none 0").split()
        return lease != "none" and answered == "20"
    if expected.use == DISK:
        return found.disks.get(address) == "same"
    return expected.use in found.others.get(address, "")


def test_the_capture_is_of_this_computer(lab: Lab) -> None:
    assert same(lab, Path(CABINET))


def test_every_driver_works_as_natively(lab: Lab) -> None:
    with at_work(lab, owner("every", tuple(EVERY), "512M")) as systems:
        found, counted = systems["every"], requests(lab, "every")
        own = {address: found.drivers.get(address) for address in EVERY}
        assert own == {address: expected.driver for address, expected in EVERY.items()}
        failed = [one for one, expected in EVERY.items() if not works(one, expected, found)]
        assert not failed, found
        asked = {one: tuple(sorted(counted.get(one, ()))) for one in EVERY}
        silent = [
            (one, expected.request, asked[one])
            for one, expected in EVERY.items()
            if expected.request and not any(expected.request in name for name in asked[one])
        ]
        assert not silent, asked
    # One of them, without a driver's word, would never take its line back
    shut = lab.run("dmesg | grep -e 'nobody cared' -e 'Disabling IRQ'").stdout
    assert not shut


def test_one_line_and_one_device_of_two_owners(lab: Lab) -> None:
    """Each gets its own interrupts of a line that both cards raise; and one finds function 1 of
    a device whose function 0 is the other's."""
    with at_work(lab, owner("left", LEFT), owner("right", RIGHT)) as systems:
        for name, functions in (("left", LEFT), ("right", RIGHT)):
            found, counted = systems[name], requests(lab, name)
            assert [works(one, EVERY[one], found) for one in functions] == [True, True], found
            assert set(found.networks) == set(functions)
            lines = [count for one, count in counted[functions[0]].items() if LINE in one]
            assert len(lines) == 1 and lines[0] > 20, counted
            assert functions[1] in counted
        lines = {
            lab.run(f"cat /sys/bus/pci/devices/{one}/irq", check=True).stdout
            for one in (LEFT[0], RIGHT[0])
        }
        assert len(lines) == 1
        # Where function 0 is another's, somebody must say that there are more
        assert systems["left"].drivers.get(RIGHT[1]) is None
        assert systems["right"].drivers[LEFT[1]] == "none"
