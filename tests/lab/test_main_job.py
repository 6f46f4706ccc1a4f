"""Two systems at work on one computer: one run of the demo's job, and what it must also bear.

The tests of this file run in order on the same two systems, because a start is expensive: each
leaves them at their quiet shells for the next.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.confinement.limits import FIRST_USER
from septum.lab import demo, judges, report, siege, typed
from septum.lab.demo import PATIENCE, MainJob
from septum.lab.progress import Progress
from septum.lab.run import Lab
from septum.lab.siege import ALL_KINDS, Attack, Siege
from septum.lab.typed import SCRATCH
from septum.units import MiB

BLUES_ETHERNET = "0000:01:00.0"
GREENS = ("0000:00:04.0", "0000:02:00.0")
HOLD = 2.0  # seconds
ACCESSES = 16_000  # of the hostile neighbour, each time
OWN = 1 << siege.KINDS.index("own registers")
ATTEMPTS = Path(__file__).parents[1] / "host" / "attempts.py"
REFUSALS = {"EACCES", "EPERM", "SIGSYS", "ModuleNotFoundError", "ValueError", "RuntimeError"}


class Job:
    """The job of this file's tests, and what each of its steps found."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.starts = 0  # of the lab computer, when the systems were started in it

    def begin(self) -> None:
        """Start both systems, in this lab, and let them do their work."""
        if self.starts:
            self.job.detach()
        self.lab.run("septum down --now", timeout=PATIENCE)
        self.starts = 0
        self.job = MainJob(self.lab, self.folder, Progress(quiet=True))
        try:
            self.job.prepare()
            self.job.up()
            self.job.meet()
            self.job.work()
            self.job.reach_out()
        except BaseException:
            self.job.detach()
            raise
        self.starts = self.lab.starts

    def end(self) -> None:
        if self.starts:
            self.job.detach()
            self.lab.run("septum down --now", timeout=PATIENCE)

    def failures(self) -> list[str]:
        """What the judges say."""
        return [str(one) for one in judges.failures(self.job.found(), self.job.promised)]


@pytest.fixture(scope="module")
def main_job(running_lab: Lab) -> Iterator[Job]:
    folder: Path = running_lab.folder / "main-job"
    folder.mkdir(exist_ok=True)
    job = Job(running_lab, folder)
    yield job
    job.end()


@pytest.fixture
def job(lab: Lab, main_job: Job) -> Job:
    """Both systems at work; started anew when the lab they ran in was lost."""
    if main_job.starts != lab.starts:
        main_job.begin()
    return main_job


def pings(text: str) -> tuple[int, int]:
    found = report.ethernet(text)
    return found["pings_sent"], found["pings_answered"]


def ask_in_background(job: Job, name: str, command: str) -> str:
    """Start a command whose output goes to a file of the instance; the file."""
    place = "/dev/background"
    job.job.terminals[name].ask(f"({command}) >{place} 2>&1 & true", PATIENCE)
    return place


def wait_for_background(job: Job, name: str, place: str, word: str) -> str:
    wait = f"until grep -q '{word}' {place}; do sleep 0.2; done; cat {place}"
    return job.job.terminals[name].ask(wait, PATIENCE).text


def state_of(lab: Lab, name: str) -> dict[str, Any]:
    rows = json.loads(lab.run("septum ps --json", check=True).stdout)
    found: dict[str, Any] = next(row for row in rows if row["name"] == name)
    return found


def owners_counts(job: Job, name: str) -> dict[str, int]:
    return report.by_reason(job.job.shown("exits", name), name, "answered by")


# ---- the report


def test_every_line_of_the_report_is_as_the_table_says(job: Job) -> None:
    # Nothing is given back yet, nobody has ended
    missing = [one for one in job.failures() if not one.startswith("given_back")]
    assert [one.partition(":")[0] for one in missing] == ["blue.ended", "green.ended"], missing


def test_the_systems_are_what_debian_made_them(job: Job) -> None:
    systems = {name: said["os"] for name, said in job.job.instances.items()}
    assert re.match(r"Linux blue 6\.1\.\S+-amd64 .*Debian", systems["blue"])
    assert re.match(r"Linux green 6\.12\.\S+-amd64 .*Debian", systems["green"])


def test_blue_runs_all_of_systemd(job: Job) -> None:
    answer = job.job.terminals["blue"].ask(
        "readlink /proc/1/exe; systemctl is-active -- -.mount", PATIENCE
    )
    assert "systemd" in answer.text


def test_nobody_lists_what_is_anothers(job: Job) -> None:
    blue, green = (
        {row["address"] for row in job.job.instances[name]["pci"]} for name in ("blue", "green")
    )
    assert blue & green == {"0000:00:00.0"}  # each has a host bridge of its own there
    assert not {*GREENS, "0000:00:01.0", "0000:00:02.0"} & blue


def test_what_is_concealed_has_no_configuration_space(job: Job) -> None:
    """Story 2: asked for by address, past what the OS knows, it answers all ones."""
    for name, foreign in (("blue", "00:04.0"), ("green", "00:03.0")):
        asked = f"lspci -A intel-conf1 -n -s {foreign}; lspci -A intel-conf1 -n | wc -l"
        text = job.job.terminals[name].ask(asked, PATIENCE, check=False).text
        assert "1000:0012" not in text.split("\n")[0], (name, text)
        assert foreign[3:] in "".join(
            row["address"] for row in job.job.shown("probes", name) if row["answer"] == "absent"
        )


# ---- story 3: leases


def test_leases_are_taken_back_under_traffic(job: Job, lab: Lab) -> None:
    terminal = job.job.terminals["blue"]
    gateway = job.job.instances["blue"]["ethernet"]["gateway"]
    place = ask_in_background(job, "blue", f"ping -q -c 60 -i 0.1 {gateway}")
    before = owners_counts(job, "blue")
    taken = json.loads(
        lab.run(f"septum revoke blue {BLUES_ETHERNET} --hold {HOLD} --json", check=True).stdout
    )
    assert any(BLUES_ETHERNET in row["to"] for row in taken)
    text = wait_for_background(job, "blue", place, "transmitted")
    assert pings(text) == (60, 60)
    held = report.added(before, owners_counts(job, "blue"))
    trapped = sum(count for what, count in held.items() if what.startswith(BLUES_ETHERNET))
    assert trapped > 10, held  # each packet touches registers, and each touch was answered

    # Granted anew at the next touch, and no trap after that
    again = owners_counts(job, "blue")
    text = terminal.ask(f"ping -q -c 20 -i 0.1 {gateway}", PATIENCE).text
    assert pings(text) == (20, 20)
    late = report.added(again, owners_counts(job, "blue"))
    assert not [what for what in late if what.startswith(BLUES_ETHERNET)], late
    leases = report.by_reason(job.job.shown("exits", "blue"), "blue", "lease")
    assert leases["revoked, processor"] >= 1 and leases["revoked, devices"] >= 1
    held_now = [
        row["held by"]
        for row in job.job.shown("translations", "blue")
        if row["to"] == f"{BLUES_ETHERNET} BAR 0"
    ]
    assert held_now == ["processor, devices"]


# ---- processors


def test_processors_are_shared_by_weight(job: Job, lab: Lab) -> None:
    for name, weight in (("blue", "200"), ("green", "100")):
        pid = state_of(lab, name)["pid"]
        group = group_of(lab, pid)
        said = lab.run(f"cat {group}/cpu.weight {group}/cpuset.cpus", check=True).stdout.split()
        assert said == [weight, "0-1"]
        threads = lab.run(f"cat /proc/{pid}/task/*/comm", check=True).stdout.splitlines()
        assert f"{name} cpu0" in threads and f"{name} cpu1" not in threads


def group_of(lab: Lab, pid: int) -> str:
    """Its control group's directory, wherever the supervisor's are."""
    path = lab.run(f"cat /proc/{pid}/cgroup", check=True).stdout.strip().removeprefix("0::")
    return f"/sys/fs/cgroup{path}"


# ---- what an instance's process may still do


def test_instances_are_confined(job: Job, lab: Lab) -> None:
    for name in job.job.promised:
        pid = state_of(lab, name)["pid"]
        own = [str(FIRST_USER + pid)] * 4
        threads = statuses(lab, pid)
        # Since Linux 6.14, and in its stable series, KVM's page recovery is a thread of ours
        ours = {thread for thread in threads if not thread.startswith("kvm-")}
        assert ours == {f"septum:{name}", f"{name} cpu0", f"{name} link"}
        for status in threads.values():
            assert status["Uid"].split() == status["Gid"].split() == own
            assert status["Groups"].split() == []
            for sets in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[sets], 16) == 0
            assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
            assert status["Seccomp_filters"] == "2", "one for all, and its own"
        namespaces = "mnt net ipc uts cgroup"
        links = f"for n in {namespaces}; do readlink /proc/self/ns/$n /proc/{pid}/ns/$n; done"
        found = lab.run(links, check=True).stdout.split()
        assert len(found) == len(set(found)) == 2 * len(namespaces.split())
        assert lab.run(f"ls -AH /proc/{pid}/root", check=True).stdout == ""
        assert "confined\n" in lab.run(f"cat /var/log/septum/{name}.messages.log").stdout


def statuses(lab: Lab, pid: int) -> dict[str, dict[str, str]]:
    """What Linux says of each thread of a process, by the thread's name."""
    lines = lab.run(f"cat /proc/{pid}/task/*/status", check=True).stdout.splitlines()
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        key, _, value = line.partition(":")
        if key == "Name":
            status = found.setdefault(value.strip(), {})
        status[key] = value.strip()
    return found


def test_instances_are_limited(job: Job, lab: Lab) -> None:
    for name, promise in job.job.promised.items():
        pid = state_of(lab, name)["pid"]
        rows = lab.run(f"cat /proc/{pid}/limits", check=True).stdout.splitlines()[1:]
        limits = {row[:25].strip(): row[25:].split()[:2] for row in rows}
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max processes"] == ["5", "5"], "3 threads, KVM's own, and one over"
        soft, hard = limits["Max open files"]
        assert soft == hard and 128 < int(hard) < 1024
        assert int(limits["Max locked memory"][1]) == promise.memory + 256 * MiB
        group = group_of(lab, pid)
        limited = lab.run(f"cat {group}/memory.max {group}/pids.max", check=True).stdout.split()
        assert promise.memory < int(limited[0]) < 2 * promise.memory + 512 * MiB
        assert limited[1] == "17"
        assert lab.run(f"cat /proc/{pid}/oom_score_adj").stdout.strip() == "-500"


def test_nobody_else_reaches_its_sockets_and_logs(job: Job, lab: Lab) -> None:
    as_nobody = "setpriv --reuid nobody --regid nogroup --clear-groups"
    for path in ("/run/septum/control", "/run/septum/blue/console", "/var/log/septum/blue.log"):
        assert lab.run(f"test -e {path}").code == 0
        assert lab.run(f"{as_nobody} test -r {path}").code != 0
    said = lab.run(f"{as_nobody} septum down")
    assert said.code != 0 and "run as root" in said.stderr, said


def test_from_within_nothing_is_reached(job: Job, lab: Lab) -> None:
    """As on any computer (tests/host/test_confinement.py), here on this one's kernel."""
    lab.put(ATTEMPTS, "/var/tmp/attempts.py")
    for kind in ("", "processor"):
        done = lab.run(f"/opt/septum/bin/python /var/tmp/attempts.py {kind}", timeout=PATIENCE)
        assert (done.code, done.stderr) == (0, "")
        refused = {
            name for name, said in json.loads(done.stdout).items() if said in REFUSALS
        }
        assert len(refused) == (len(json.loads(done.stdout)) if kind else 0)


# ---- what goes wrong, and what follows


def test_up_twice_is_refused(job: Job, lab: Lab) -> None:
    pids = {name: state_of(lab, name)["pid"] for name in job.job.promised}
    again = lab.run(f"septum up {demo.PLACE}", timeout=PATIENCE)
    assert again.code == 1
    assert "runs already" in again.stderr + again.stdout
    assert {name: state_of(lab, name)["pid"] for name in job.job.promised} == pids


def starts_anew(job: Job, lab: Lab, start: Callable[[], None]) -> None:
    """Have green start again, and wait until its shell is there."""
    first = state_of(lab, "green")["pid"]
    old = job.job.terminals["green"]
    start()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        now = state_of(lab, "green")
        if now["state"] == "running" and now["pid"] != first:
            break
    assert (now["state"], old.has_ended) == ("running", True)
    assert now["pid"] != first
    old.close()
    job.job.attach("green")
    terminal = job.job.terminals["green"]
    terminal.wait_for(demo.PROMPTS["green"], PATIENCE)
    terminal.quiet_shell(PATIENCE)


def driver_links(lab: Lab) -> str:
    """Of green's functions; a link that was made anew has another number."""
    places = " ".join(f"/sys/bus/pci/devices/{at}/driver" for at in GREENS)
    return str(lab.run(f"stat -c '%i %N' {places}", check=True).stdout)


def probes_of_linux(lab: Lab) -> int:
    return int(lab.run(f"dmesg | grep -c 'e1000e {GREENS[1]}'").stdout)


def test_green_reboots_three_times_and_its_devices_stay_its_own(job: Job, lab: Lab) -> None:
    """By each of Linux's ways to reset a PC; no driver of the host sees them in between."""
    links, probes = driver_links(lab), probes_of_linux(lab)
    before = state_of(lab, "green")["restarts"]
    assert links.count("vfio-pci") == 2
    for way in ("acpi", "pci", "kbd"):
        command = f"echo {way} >/sys/kernel/reboot/type; cat /sys/kernel/reboot/type; reboot -f"
        terminal = job.job.terminals["green"]
        starts_anew(job, lab, lambda c=command, t=terminal: t.type(c))  # type: ignore[misc]
    assert driver_links(lab) == links and probes_of_linux(lab) == probes
    assert state_of(lab, "green")["restarts"] == before + 3
    check_ethernet(job, "green")


def test_green_is_rebooted_by_its_power_button(job: Job, lab: Lab) -> None:
    links, before = driver_links(lab), state_of(lab, "green")["restarts"]

    def reboot() -> None:
        done = lab.run(f"septum reboot green --within {PATIENCE:.0f}s", timeout=2 * PATIENCE)
        assert done.code == 0, done
        assert "its power button is pressed" in done.stdout and "unplug" not in done.stdout

    starts_anew(job, lab, reboot)
    assert driver_links(lab) == links
    assert state_of(lab, "green")["restarts"] == before, "that was asked for"


def test_a_killed_green_gives_back_and_blue_goes_on(job: Job, lab: Lab) -> None:
    gateway = job.job.instances["blue"]["ethernet"]["gateway"]
    place = ask_in_background(job, "blue", f"ping -q -c 50 -i 0.2 {gateway}")
    pid = state_of(lab, "green")["pid"]
    lab.run(f"kill -KILL {pid}", check=True)
    given_back = "! ls /run/septum/claims | grep -q -e 02:00.0.json -e 00:04.0.json"
    wait = f"until {given_back}; do sleep 0.2; done"
    lab.run(wait, timeout=PATIENCE, check=True)
    driver = lab.run(f"readlink /sys/bus/pci/devices/{GREENS[1]}/driver", check=True).stdout
    assert driver.strip().endswith("/e1000e")
    assert lab.run(f"test -e /sys/bus/pci/devices/{GREENS[0]}/driver").code != 0
    assert state_of(lab, "green")["state"] == "failed"
    assert state_of(lab, "blue")["state"] == "running"
    assert pings(wait_for_background(job, "blue", place, "transmitted")) == (50, 50)


@pytest.mark.parametrize(
    "attack",
    [Attack(25, ACCESSES, ALL_KINDS & ~OWN), Attack(26, ACCESSES, ALL_KINDS, GREENS[::-1])],
    ids=lambda attack: attack.told,
)
def test_a_hostile_neighbour_is_not_noticed(job: Job, lab: Lab, attack: Attack) -> None:
    """In green's place: random accesses, while blue works. `septum.lab siege` has more of it."""
    lab.run("septum down --now green", timeout=PATIENCE)
    found = Siege(lab, job.job.terminals["blue"], SCRATCH["blue"], job.folder).endure(attack)
    checksum = job.job.instances["blue"]["scsi"]["written"]
    assert list(siege.failures(found, checksum)) == [], found


def test_blue_hears_its_power_button_and_leaves_a_clean_disk(
    job: Job, lab: Lab, tmp_path: Path
) -> None:
    """systemd shuts it down, and what ext4 says afterwards shows that it unmounted."""
    job.job.terminals["blue"].ask("date > /var/tmp/written-before", PATIENCE)
    down = lab.run(f"septum down blue --within {PATIENCE:.0f}s", timeout=2 * PATIENCE, check=True)
    assert "blue: stopped, powered off; everything is given back" in down.stdout
    disk = tmp_path / "blue.ext4"
    lab.copy_disk("scsi-1-0", disk)
    said = subprocess.run(["dumpe2fs", "-h", disk], capture_output=True, text=True, check=True)
    assert re.search(r"Filesystem state: +clean\n", said.stdout)
    assert "needs_recovery" not in said.stdout
    checked = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    written = subprocess.run(
        ["debugfs", "-R", "cat /var/tmp/written-before", disk], capture_output=True, text=True
    )
    assert "20" in written.stdout


def test_everything_is_given_back(job: Job, lab: Lab) -> None:
    job.job.detach()
    lab.run("septum down --now", timeout=PATIENCE)  # if anything runs still
    failed = job.failures()
    assert not [one for one in failed if one.startswith("given_back")], failed
    assert "no instances" in lab.run("septum ps", check=True).stdout


def check_ethernet(job: Job, name: str) -> None:
    terminal = job.job.terminals[name]
    text = terminal.ask(typed.LEASE, PATIENCE).text + terminal.ask(typed.PINGS, PATIENCE).text
    found = report.ethernet(text)
    assert found["lease"]
    assert 0 < found["pings_sent"] == found["pings_answered"]
