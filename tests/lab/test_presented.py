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

from septum.lab import report
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
        "0000:03:00.0": "0000:04:00.0",
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
DISKS = {
    "blue": DISK.format(memory="/run/pattern", disk="/var/tmp/pattern"),
    "green": DISK.format(memory="/dev/pattern", disk="/dev/nvme0n1"),
}


@pytest.fixture(scope="module")
def job() -> Iterator[tuple[Lab, dict[str, Terminal]]]:
    """Both systems at quiet shells."""
    terminals: dict[str, Terminal] = {}
    with Lab(read_computer("two-roots")) as lab:
        lab.put(TABLE, PLACE)
        lab.run("modprobe -a kvm_amd vfio-pci", check=True)
        lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
        try:
            for name in PLACES:
                terminals[name] = Terminal(lab, name, lab.folder / f"{name}.log")
            for name, terminal in terminals.items():
                terminal.wait_for(PROMPTS[name], PATIENCE)
                terminal.quiet_shell(PATIENCE)
            yield lab, terminals
        finally:
            for terminal in terminals.values():
                terminal.close()
            lab.run("septum down", timeout=PATIENCE)


def rows(lab: Lab, subject: str, name: str) -> list[dict[str, Any]]:
    found = json.loads(lab.run(f"septum show {subject} {name} --json", check=True).stdout)
    return [row for row in found if row["instance"] == name]


@pytest.mark.lab
@pytest.mark.parametrize("name", PLACES)
def test_it_finds_its_own_as_bus_0_and_works(
    job: tuple[Lab, dict[str, Terminal]], name: str
) -> None:
    lab, terminals = job
    ask = terminals[name].ask
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
    faults = lab.run("dmesg | grep -c 'DMAR:.*fault' || true", check=True).stdout.strip()
    assert faults == "0"


@pytest.mark.lab
def test_leases_are_of_both_sides(job: tuple[Lab, dict[str, Terminal]]) -> None:
    lab, _ = job
    for name in PLACES:
        held: dict[str, set[str]] = {}
        for row in rows(lab, "translations", name):
            held.setdefault(row["to"], set()).add(row["held by"])
        own = {at for at in PLACES[name].values() if f"{at} BAR 0" in held}
        assert len(own) == 2, held
        # The NVMe disk's interrupt table stands in the same BAR, and is nobody's to hold.
        assert all("processor, devices" in held[f"{at} BAR 0"] for at in own), held
        assert held["memory"] == {"processor, devices"}


@pytest.mark.lab
def test_what_is_behind_a_switch_stands_on_the_root_bus_itself(
    job: tuple[Lab, dict[str, Terminal]]
) -> None:
    """Bus 3 as bus 0, while blue goes on: no bridge is on the way, and 00:00.0 is the card."""
    lab, terminals = job
    terminals.pop("green").close()
    lab.run("septum down green", timeout=PATIENCE, check=True)
    blue_s = re.compile(r"\[instances\.blue\].*?(?=\[instances\.green\])", re.S)
    alone = blue_s.sub("", TABLE.read_text())
    alone = alone.replace('"0000:01"', '"0000:03"')
    assert 'present = { "0000:03" = "0000:00" }' in alone
    lab.run(f"cat > {PLACE}.alone", stdin=alone.encode(), check=True)
    lab.run(f"septum up {PLACE}.alone", timeout=PATIENCE, check=True)
    terminals["green"] = terminal = Terminal(lab, "green", lab.folder / "green-alone.log")
    terminal.wait_for(PROMPTS["green"], PATIENCE)
    terminal.quiet_shell(PATIENCE)
    listed = re.findall(r"^(0000:\S+) (\S+): \S+", terminal.ask("lspci -Dn", PATIENCE).text, re.M)
    assert dict(listed) == {"0000:00:00.0": "0200", "0000:00:01.0": "0600"}
    lease = terminal.ask(LEASE, PATIENCE).text
    assert f" {NETWORKS['green']}" in lease, lease
    answered = report.ethernet(lease + terminal.ask(PINGS, PATIENCE).text)
    assert answered["pings_sent"] == answered["pings_answered"] == 110
