"""Does a stock Debian work on a bus that is presented as another? [0046]-[0048]

In a lab computer of its own, with two root buses and a switch: both systems of
examples/two-roots.toml, each on a part of the computer that it finds as bus 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from septum.lab import lost, report
from septum.lab.computer import read_computer
from septum.lab.demo import PATIENCE, PROMPTS
from septum.lab.installed import CHECKOUT
from septum.lab.run import Lab
from septum.lab.terminal import Terminal
from septum.lab.typed import LEASE, PINGS

TABLE = CHECKOUT / "examples" / "two-roots.toml"
PLACE = "/var/tmp/two-roots.toml"
# Where each finds what is its own, and what that is on the machine.
PLACES = {
    "blue": {
        "0000:00:01.0": "0000:80:01.0", "0000:00:02.0": "0000:80:02.0",
        "0000:01:00.0": "0000:81:00.0", "0000:02:00.0": "0000:82:00.0",
    },
    "green": {
        "0000:00:00.0": "0000:01:00.0", "0000:01:00.0": "0000:02:00.0",
        "0000:01:01.0": "0000:02:01.0", "0000:02:00.0": "0000:03:00.0",
        "0000:03:00.0": "0000:04:00.0", "0000:01:02.0": "0000:02:02.0",
        "0000:04:00.0": "0000:05:00.0",
    },
}  # fmt: skip
HOST_BRIDGES = {"blue": "0000:00:00.0", "green": "0000:00:01.0"}
NETWORKS = {"blue": "10.1.0.", "green": "10.2.0."}
# Written past the caches and read back past them
DISK = (
    "dd if=/dev/urandom of={memory} bs=1048576 count=4 2>/dev/null && "
    "dd if={memory} of={disk} bs=65536 oflag=direct conv=notrunc 2>/dev/null && "
    "echo 3 > /proc/sys/vm/drop_caches && "
    "dd if={disk} bs=65536 count=64 iflag=direct 2>/dev/null | cmp - {memory} && echo same"
)
SCSI, BY_LINE = "0000:05:00.0", DISK.format(memory="/dev/pattern", disk="/dev/sda")
DISKS = {
    "blue": DISK.format(memory="/run/pattern", disk="/var/tmp/pattern"),
    "green": DISK.format(memory="/dev/pattern", disk="/dev/nvme0n1"),
}


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Lab]:
    """Another lab computer than that of the other tests, for those of this file."""
    with Lab(read_computer("two-roots")) as lab:
        yield lab


class Systems:
    """Both systems, and their consoles at quiet shells."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.starts = 0  # of the lab computer, when they were started in it
        self.terminals: dict[str, Terminal] = {}

    def begin(self) -> None:
        self.end()
        self.lab.put(TABLE, PLACE)
        self.lab.run("modprobe -a kvm_amd vfio-pci", check=True)
        self.lab.run("septum down --now", timeout=PATIENCE)
        arrivals = lost.Arrivals(self.lab)
        self.lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
        for name in PLACES:
            self.attach(name)
        for name in PLACES:
            self.await_shell(name, arrivals, PROMPTS[name])
        self.starts = self.lab.starts

    def attach(self, name: str) -> None:
        self.terminals[name] = Terminal(self.lab, name, self.lab.folder / f"{name}.log")

    def await_shell(self, name: str, arrivals: lost.Arrivals, prompt: str) -> Terminal:
        terminal = self.terminals[name]
        arrivals.wait_for(terminal, prompt, PATIENCE)
        terminal.quiet_shell(PATIENCE)
        return terminal

    def end(self) -> None:
        for terminal in self.terminals.values():
            terminal.close()
        self.terminals.clear()


@pytest.fixture(scope="module")
def both(running_lab: Lab) -> Iterator[Systems]:
    systems = Systems(running_lab)
    yield systems
    systems.end()


@pytest.fixture
def systems(lab: Lab, both: Systems) -> Systems:
    """Both at work; started anew when the lab they ran in was lost."""
    if both.starts != lab.starts:
        both.begin()
    return both


def rows(lab: Lab, subject: str, name: str) -> list[dict[str, Any]]:
    found = json.loads(lab.run(f"septum show {subject} {name} --json", check=True).stdout)
    return [row for row in found if row["instance"] == name]


@pytest.mark.parametrize("name", PLACES)
def test_it_finds_its_own_as_bus_0_and_works(lab: Lab, systems: Systems, name: str) -> None:
    ask = systems.terminals[name].ask
    listed = re.findall(r"^(0000:\S+) (\S+): (\S+)", ask("lspci -Dn", PATIENCE).text, re.M)
    assert {address for address, *_ in listed} == {*PLACES[name], HOST_BRIDGES[name]}
    told = {row["address"]: row.get("machine") for row in rows(lab, "devices", name)}
    assert {at: told[at] for at in PLACES[name]} == PLACES[name]
    identity = {address: identity for address, _, identity in listed}
    script = "; ".join(f"lspci -Dns {own}" for own in PLACES[name].values())
    own = re.findall(r"^(0000:\S+) \S+: (\S+)", lab.run(script, check=True).stdout, re.M)
    assert {PLACES[name][at]: identity[at] for at in PLACES[name]} == dict(own)
    # Its Ethernet: DMA, messages, and a lease that only its own network gives.
    lease = ask(LEASE, PATIENCE).text
    assert f" {NETWORKS[name]}" in lease, lease
    answered = report.ethernet(lease + ask(PINGS, PATIENCE).text)
    assert answered["pings_sent"] == answered["pings_answered"] == 110
    assert ask(DISKS[name], PATIENCE).text.strip() == "same"
    if name == "green":
        # Its SCSI controller interrupts by its line, which _PRT names at the places green sees.
        assert ask(BY_LINE, PATIENCE).text.strip() == "same"
        (line,) = [row for row in rows(lab, "interrupts", name) if SCSI in row["device"]]
        assert line["request"] == "INTx A" and line["count"] > 50, line
    faults = lab.run("dmesg | grep -c 'DMAR:.*fault' || true", check=True).stdout.strip()
    assert faults == "0"


def test_leases_are_of_both_sides(lab: Lab, systems: Systems) -> None:
    for name in PLACES:
        held: dict[str, set[str]] = {}
        for row in rows(lab, "translations", name):
            held.setdefault(row["to"], set()).add(row["held by"])
        own = {at for at in PLACES[name].values() if f"{at} BAR 0" in held}
        assert len(own) == 2, held  # the SCSI controller's BAR 0 is of ports
        # The NVMe disk's interrupt table stands in the same BAR, and is nobody's to hold.
        assert all("processor, devices" in held[f"{at} BAR 0"] for at in own), held
        assert held["memory"] == {"processor, devices"}


def test_what_is_behind_a_port_stands_on_the_root_bus_itself(lab: Lab, systems: Systems) -> None:
    """Bus 81 as bus 0, while green goes on: no bridge is on the way, and 00:00.0 is the card."""
    systems.terminals.pop("blue").close()
    lab.run("septum down --now blue", timeout=PATIENCE, check=True)
    head, _, green_s = TABLE.read_text().partition("[instances.blue]")
    green_s = green_s.partition("[instances.green]")[2]
    alone = f"{head}[instances.alone]{green_s}".replace('"0000:01"', '"0000:81"')
    assert 'present = { "0000:81" = "0000:00" }' in alone
    lab.run(f"cat > {PLACE}.alone", stdin=alone.encode(), check=True)
    arrivals = lost.Arrivals(lab)
    lab.run(f"septum up {PLACE}.alone", timeout=PATIENCE, check=True)
    systems.attach("alone")
    terminal = systems.await_shell("alone", arrivals, PROMPTS["green"])
    systems.starts = 0  # blue is down from now on
    listed = re.findall(r"^(0000:\S+) (\S+): \S+", terminal.ask("lspci -Dn", PATIENCE).text, re.M)
    assert dict(listed) == {"0000:00:00.0": "0200", "0000:00:01.0": "0600"}
    lease = terminal.ask(LEASE, PATIENCE).text
    assert f" {NETWORKS['blue']}" in lease, lease
    answered = report.ethernet(lease + terminal.ask(PINGS, PATIENCE).text)
    assert answered["pings_sent"] == answered["pings_answered"] == 110
