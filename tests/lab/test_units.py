"""Do instances come and go with the computer, where systemd runs it?

One story, in a lab computer of its own that may reboot, and that stays where it is when it has
switched itself off: the table of blue is enabled, and comes up at boot; green is started by a
login, and outlives it; sleep is refused; and when the computer is switched off, blue's disk is
left as by a system that was shut down.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.errors import LabLost
from septum.lab import lost, monitor
from septum.lab.computer import Way
from septum.lab.demo import PATIENCE
from septum.lab.run import PANIC, READY, Lab

EXAMPLE = Path("examples/two-systems.toml")
STAYS = ("-action", "reboot=reset,shutdown=pause")
WITHIN = 45  # seconds
PREPARE = """
set -e
cd /etc/systemd/system
rm dbus.service dbus.socket systemd-logind.service systemd-modules-load.service
echo kvm_amd >/etc/modules-load.d/lab.conf
echo UsePAM yes >/etc/ssh/sshd_config.d/logins.conf
logind=/etc/systemd/logind.conf.d
mkdir $logind
printf '[Login]\nKillUserProcesses=yes\nKillExcludeUsers=nobody\n' >$logind/lab.conf
cp /var/tmp/blue.toml /etc/septum/house.toml
cp /var/tmp/witness.service .
systemctl enable septum@house witness
"""
# Ends after the instances have: what was said meanwhile then reaches the computer's own console
WITNESS = """
[Unit]
Before=septum.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'journalctl -b -o cat -u septum.service -u septum@house.service >/dev/console'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The usual computer, for one run of one test."""
    lab = Lab(way=Way(more_arguments=STAYS))
    try:
        lab.start()
        yield lab
    finally:
        lab.kill()


def test_instances_come_and_go_with_the_computer(lab: Lab, tmp_path: Path) -> None:
    with lost.told_apart(lambda: lab, (Exception, pytest.fail.Exception)):
        install(lab, tmp_path)
        reboot(lab)
        the_enabled_table_comes_up(lab)
        a_login_ends_and_its_instance_lives_on(lab)
        sleep_is_refused(lab)
        until("blue is at work", lambda: "login:" in lab.run("cat /var/log/septum/blue.log").stdout)
        assert is_unclean(disk_of_blue(lab, tmp_path))
    # It does not answer any more, and is not lost for that
    switch_off(lab)
    image = disk_of_blue(lab, tmp_path)
    assert not is_unclean(image)
    check = ["e2fsck", "-fn", str(image)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def install(lab: Lab, folder: Path) -> None:
    """Units into the system, blue's table enabled, logins kept account of."""
    head, blue, green = EXAMPLE.read_text().split("\n[instances.")
    files = {
        "blue.toml": f"{head}\n[instances.{blue}",
        "green.toml": f"{head}\n[instances.{green}",
        "witness.service": WITNESS,
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        lab.put(folder / name, f"/var/tmp/{name}")
    said = lab.run(f"septum units install --within {WITHIN}", check=True).stdout
    assert "wrote /etc/systemd/system/septum@.service" in said
    lab.run(PREPARE, check=True)


def reboot(lab: Lab) -> None:
    before = lab.console_log.read_bytes().count(READY)
    lab.run("systemctl reboot")
    lab.line.hang_up()
    until("the lab has rebooted", lambda: lab.console_log.read_bytes().count(READY) > before)


def the_enabled_table_comes_up(lab: Lab) -> None:
    until("blue runs", lambda: "blue running" in states(lab))
    shown = lab.run("systemctl show septum@house septum -p Id -p ActiveState").stdout.split()
    assert shown.count("ActiveState=active") == 2
    group = lab.run("cat /proc/$(cut -d ' ' -f 1 /run/septum/blue/process)/cgroup").stdout.strip()
    assert group == "0::/septum.slice/septum.service/septum/blue"
    assert lab.run(f"cat /sys/fs/cgroup{group[3:]}/cpu.weight").stdout.strip() == "200"


def a_login_ends_and_its_instance_lives_on(lab: Lab) -> None:
    """The login is real, and what else it started is ended with it: root's too, as it was set."""
    alone = ["ControlPath=none" if w.startswith("ControlPath=") else w for w in lab.line.words()]
    words = "setsid sleep 1000 >/dev/null 2>&1 & cat /proc/self/cgroup"
    words += "; septum up /var/tmp/green.toml; echo $!"
    with (lab.folder / "login.log").open("wb") as log:
        subprocess.run([*alone, f"{words}; exit"], stdout=log, timeout=PATIENCE, check=True)
    said = (lab.folder / "login.log").read_text().splitlines()
    assert "session-" in said[0] and "green: running" in said[-2], said
    until("the login is over", lambda: lab.run(f"test -d /proc/{said[-1]}").code == 1)
    scope = said[0].removeprefix("0::")
    assert lab.run(f"test -d /sys/fs/cgroup{scope}").code == 1
    assert states(lab) == ["blue running", "green running"]


def sleep_is_refused(lab: Lab) -> None:
    asked = lab.run("systemctl suspend --check-inhibitors=yes")
    assert asked.code != 0 and 'Operation inhibited by "Septum"' in asked.stderr, asked
    assert "septum down" in asked.stderr
    lab.run("systemctl suspend -i")  # these are ignored then: what sleep needs refuses it
    failed = "systemctl is-failed septum-sleep.service"
    until("sleep is refused", lambda: lab.run(failed).stdout.strip() == "failed")
    said = lab.run("journalctl -b -o cat -u septum-sleep.service").stdout
    assert "blue owns 0000:00:03.0, 0000:01:00.0; green owns 0000:00:04.0, 0000:02:00.0" in said
    assert "Dependency failed for suspend.target" in lab.run("journalctl -b -o cat").stdout


def switch_off(lab: Lab) -> None:
    lab.run("systemctl poweroff --no-block")
    try:
        until("the lab is off", lambda: is_off(lab))
    except AssertionError as failure:
        if PANIC in lab.console_log.read_bytes():
            raise LabLost("the lab was lost", because="its kernel gave up") from failure
        raise
    said = lab.console_log.read_text(errors="replace")
    assert "blue: stopped, powered off; everything is given back" in said
    assert "septum.service: Deactivated successfully" in said


def states(lab: Lab) -> list[str]:
    lines = lab.run("septum ps").stdout.splitlines()[1:]
    return [" ".join(line.split()[:2]) for line in lines]


def is_off(lab: Lab) -> bool:
    """Whether the computer has switched itself off; its disks are still there to be read."""
    return '"shutdown"' in monitor.tell(lab.sockets / "monitor", "query-status")


def disk_of_blue(lab: Lab, folder: Path) -> Path:
    """A copy of blue's disk as it is now."""
    lab.copy_disk("scsi-1-0", folder / "blue.ext4")
    return folder / "blue.ext4"


def is_unclean(image: Path) -> bool:
    """Whether its file system is in use, or was left without being unmounted."""
    words = ["dumpe2fs", "-h", str(image)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    fields: dict[str, str] = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    return "needs_recovery" in fields["Filesystem features"].split()


def until(what: str, condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.2)
