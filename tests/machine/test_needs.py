"""Is everything Linux cannot spare found, through all that may lie between?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.machine.capture import CapturedFiles
from septum.machine.inventory import inventory
from septum.machine.session import login_environment
from tests.captured import lab, laptop, workstation


def reasons(files: object, **environ: str) -> set[tuple[str, str]]:
    machine = inventory(files, environ)  # type: ignore[arg-type]
    return {(str(need.address)[5:], need.reason) for need in machine.host_needs}


def test_disks_below_volumes_and_partitions() -> None:
    found = reasons(workstation())
    assert ("81:00.0", "holds the root file system (/dev/dm-0)") in found
    assert ("81:00.0", "holds swap space (/dev/dm-0)") in found
    assert ("81:00.0", "holds the file system at /boot/efi (/dev/nvme0n1p1)") in found
    assert ("00:17.0", "holds the file system at /data (/dev/sda)") in found
    assert not any(where == "82:00.0" for where, _ in found)


def test_networks_below_a_bridge() -> None:
    assert ("01:00.0", "carries the default route (br0)") in reasons(workstation())


def test_the_login_is_protected_apart_from_the_default_route() -> None:
    found = reasons(workstation(), SSH_CONNECTION="10.0.0.9 40000 10.0.0.7 22")
    assert ("3b:00.1", "carries the login from 10.0.0.9 (ens1f1)") in found
    mapped = reasons(workstation(), SSH_CONNECTION="::ffff:10.0.0.9 4 ::ffff:10.0.0.7 22")
    assert any(where == "3b:00.1" for where, _ in mapped)


def test_a_login_by_ipv6() -> None:
    files = workstation()
    files.entries["/proc/self/net/if_inet6"] = (
        b"fe800000000000000000000000000001 02 40 20 80 ens1f0\n"
    )
    files = CapturedFiles(files.entries)
    found = reasons(files, SSH_CONNECTION="fe80::9 4 fe80::1%ens1f0 22")
    assert ("3b:00.0", "carries the login from fe80::9 (ens1f0)") in found


def test_a_default_route_by_ipv6() -> None:
    files = workstation()
    nowhere = "0" * 32
    files.entries["/proc/self/net/ipv6_route"] = (
        f"{nowhere} 00 {nowhere} 00 fe800000000000000000000000000001 0 1 0 3 ens1f0\n"
        f"{nowhere} 00 {nowhere} 00 {nowhere} ffffffff 1 0 200200 lo\n"
    ).encode()
    found = reasons(CapturedFiles(files.entries))
    assert ("3b:00.0", "carries the default route (ens1f0)") in found


def test_a_mount_without_device_number_goes_by_name() -> None:
    assert ("03:00.0", "holds the root file system (/dev/nvme0n1p2)") in reasons(laptop())


def test_each_disk_of_a_btrfs() -> None:
    files = workstation()
    files.entries["/sys/fs/btrfs/1b2c/devices/nvme1n1"] = "../../../../devices/x/nvme1n1"
    found = reasons(CapturedFiles(files.entries))
    assert ("82:00.0", "holds a part of a Btrfs file system (/dev/nvme1n1)") in found


def test_consoles() -> None:
    found = reasons(laptop())
    assert ("05:00.0", "is the console (ttyS4)") in found
    assert ("00:02.0", "is the console's screen (boot VGA)") in found
    assert not any("screen" in reason for _, reason in reasons(workstation()))


def test_an_nvme_disk_of_several_paths() -> None:
    """The lab's own disk: below its subsystem, not below its controller."""
    files = lab()
    assert isinstance(files, CapturedFiles)
    assert "nvme-subsystem" in str(files.entries["/sys/class/block/nvme0n1"])
    assert ("00:02.0", "holds the root file system (/dev/nvme0n1)") in reasons(files)


@pytest.mark.parametrize("text", ["", "x", "a b c d", "1.2.3.4 5 300.1.1.1 22", "1 2 \0 4"])
def test_an_odd_login_protects_nothing_and_breaks_nothing(text: str) -> None:
    assert reasons(workstation(), SSH_CONNECTION=text) == reasons(workstation())


@given(st.sampled_from(["/proc/self/mountinfo", "/proc/swaps", "/proc/self/net/route",
                        "/proc/self/net/ipv6_route", "/proc/consoles", "/proc/interrupts"]),
       st.text(max_size=60))  # fmt: skip
def test_any_text_is_survived(path: str, text: str) -> None:
    files = workstation()
    files.entries[path] = text.encode()
    inventory(CapturedFiles(files.entries))


def test_the_login_is_found_through_sudo() -> None:
    login = b"SSH_CONNECTION=10.0.0.9 1 10.0.0.7 22"
    files = CapturedFiles(
        {
            "/proc/self": "30",
            "/proc/30/environ": b"HOME=/root\0",
            "/proc/30/status": b"Name:\tseptum\nPPid:\t20\n",
            "/proc/20/environ": b"USER=me\0" + login + b"\0",
            "/proc/20/status": b"PPid:\t1\n",
        }
    )
    wanted = {"SSH_CONNECTION": "10.0.0.9 1 10.0.0.7 22"}
    assert login_environment(files, {}) == wanted
    assert login_environment(files, {"SSH_CONNECTION": "x", "HOME": "/"}) == {"SSH_CONNECTION": "x"}
    assert login_environment(CapturedFiles({"/proc/self/status": b"PPid:\t0"}), {}) == {}
