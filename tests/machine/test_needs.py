"""Is everything Linux cannot spare found, through all that may lie between?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from septum.machine.capture import CapturedFiles
from septum.machine.division import division
from septum.machine.inventory import inventory
from septum.machine.session import login_environment
from tests.captured import lab, laptop, server, workstation


def reasons(files: object, **environ: str) -> set[tuple[str, str]]:
    machine = inventory(files, environ)  # type: ignore[arg-type]
    return {(str(need.address)[5:], need.reason) for need in machine.host_needs}


def test_disks_below_volumes_and_partitions() -> None:
    found = reasons(workstation())
    assert ("81:00.0", "holds the root file system (/dev/dm-0 above nvme0n1p2)") in found
    assert ("81:00.0", "holds swap space (/dev/dm-0 above nvme0n1p2)") in found
    assert ("81:00.0", "holds the file system at /boot/efi (/dev/nvme0n1p1)") in found
    assert ("00:17.0", "holds the file system at /data (/dev/sda)") in found
    assert not any(where == "82:00.0" for where, _ in found)


def test_networks_below_a_bridge() -> None:
    assert ("01:00.0", "carries the default route (br0 above eno1)") in reasons(workstation())


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


NEEDED = {
    "00:17.0": ["holds a file system that process 812 has mounted (/dev/mapper/secret above "
                "/dev/mapper/vg-secret above md0 above sda2)"],
    "01:00.0": ["holds the root file system, a part of the ZFS pool rpool (/dev/nvme0n1p3)",
                "holds the file system at /boot/efi (/dev/nvme0n1p1)"],
    "02:00.0": ["holds the root file system, a part of the ZFS pool rpool (/dev/nvme1n1p3)"],
    "03:00.0": ["holds a file system that process 812 has mounted (/dev/mapper/secret above "
                "/dev/mapper/vg-secret above md0 above sdb1)",
                "holds the file system at /srv/xfs (/dev/sdc)"],
    "04:00.0": ["carries the default route (bridge br0 above vlan bond0.10 above bond bond0 above "
                "eno1)"],
    "04:00.1": ["carries the default route (bridge br0 above vlan bond0.10 above bond bond0 above "
                "eno2)"],
    "05:00.0": ["carries the file system at /backup (/dev/sdd above iSCSI 10.1.0.9 above enp5s0)"],
    "06:00.0": ["carries the file system at /home, nfs4 of 10.2.0.5 (enp6s0)"],
    "07:00.0": ["holds a part of a Btrfs file system (/dev/nvme2n1)",
                "holds the file system at /pool (/dev/nvme2n1)"],
    "08:00.0": ["holds a part of a bcachefs file system (/dev/nvme3n1)",
                "holds the file system at /with space (/dev/nvme3n1)"],
    "0a:00.0": ["holds the file system at /srv/xfs (/dev/nvme5n1p1)"],
    "0b:00.0": ["holds swap space (/dev/zram0 above nvme6n1p1)"],
    "0d:00.0": ["is the console's screen (fb0)"],
}  # fmt: skip
MISSED = {
    "00:14.0": "has a keyboard (Logitech USB Keyboard)",
    "09:00.0": "has a part of an LVM volume group on it (/dev/nvme4n1p1)",
    "0c:00.0": "has no interface here: it may be in another network namespace",
    "0d:00.0": "shows something on a monitor (VGA-1)",
    "0e:00.0": "shows something on a monitor (DP-1)",
    "10:00.0": "is below macvlan0 (enp16s0)",
}


def test_all_that_a_server_uses_is_told_with_its_way() -> None:
    assert reasons(server()) == {(at, why) for at, all_ in NEEDED.items() for why in all_}
    machine = inventory(server())
    assert {str(use.address)[5:]: use.reason for use in machine.host_uses} == MISSED
    assert machine.unknown == ()


def changed(**texts: str | None) -> CapturedFiles:
    """The server with files, by a word of their path, replaced or gone."""
    files = server()
    for path in list(files.entries):
        for word, text in texts.items():
            if word in path:
                if text is None:
                    files.entries.pop(path, None)
                else:
                    files.entries[path] = text.encode()
    return CapturedFiles(files.entries)


def test_what_a_server_does_not_use_can_be_given() -> None:
    found = {str(answer.address)[5:]: answer for answer in division(inventory(server()))}
    assert {at for at, answer in found.items() if answer.possible} == {
        *("00:14.0", "09:00.0", "0c:00.0", "0e:00.0", "0f:00.0", "10:00.0"),
    }
    assert found["0f:00.0"].because == ""
    assert "Linux uses it: it has a part of an LVM volume group" in found["09:00.0"].because
    assert "vgchange" not in found["01:00.0"].remedy and "disk" in found["01:00.0"].remedy
    assert "another interface" in found["05:00.0"].remedy


def test_without_a_mount_whoever_holds_a_disk_is_told() -> None:
    """Active volumes and mirrors that nothing mounted stands on."""
    found = reasons(changed(mountinfo=""))
    assert ("03:00.0", "holds a part of /dev/mapper/vg-secret (/dev/md0 above sdb1)") in found
    assert ("00:17.0", "holds a part of /dev/mapper/vg-secret (/dev/md0 above sda2)") in found
    holder = "/sys/devices/pci0000:0f/0000:0f:00.0/nvme/nvme9/nvme9n1"
    files = server().entries
    files["/sys/class/block/nvme9n1"] = f"../../{holder[5:]}"
    files[f"{holder}/holders/drbd0"] = "../x"
    told = reasons(CapturedFiles(files))
    assert ("0f:00.0", "holds a part of /dev/drbd0 (/dev/nvme9n1)") in told


def test_a_pool_whose_disks_nobody_knows_is_said() -> None:
    machine = inventory(changed(udev=None))
    assert machine.unknown == ("the disks of the ZFS pool rpool: udev does not know them",)
    other = changed(rpool=None)  # exported
    told = {use.reason for use in inventory(other).host_uses}
    assert "has a part of a ZFS pool on it (/dev/nvme1n1p3)" in told


def test_a_cache_of_a_pool_has_no_label() -> None:
    typed = "E:ID_PART_ENTRY_TYPE=6A898CC3-1DD2-11B2-99A6-080020736631\n"
    found = reasons(changed(**{"b259:41": typed}))
    assert ("09:00.0", "may hold a part of a ZFS pool (rpool) (/dev/nvme4n1p1)") in found
    found = reasons(changed(**{"b259:41": "E:ID_FS_TYPE=ext4\n" + typed}))
    assert not any(at == "09:00.0" for at, _ in found)


def test_the_keyboard_of_who_sits_there_stays() -> None:
    keyboard = ("00:14.0", MISSED["00:14.0"])
    assert keyboard in reasons(server(), XDG_SEAT="seat0")
    login = "10.3.0.2 4 10.3.0.1 22"
    assert keyboard not in reasons(server(), XDG_SEAT="seat0", SSH_CONNECTION=login)
    board = (
        'N: Name="AT keyboard"\nS: Sysfs=/devices/platform/i8042/serio0/input/input2\n'
        "H: Handlers=sysrq kbd event2\nB: KEY=402000000 3803078f800d001 feffffdfffefffff "
        "fffffffffffffffe\n\n"
    )
    both = server().entries
    path = "/proc/bus/input/devices"
    both[path] = board.encode() + bytes(both[path])  # type: ignore[arg-type]
    assert keyboard not in reasons(CapturedFiles(both), XDG_SEAT="seat0"), "there is another"


def test_the_terminal_of_who_typed_it_stays() -> None:
    files = laptop().entries
    files["/sys/dev/char/4:68"] = "../../devices/x/tty/ttyS4"
    number = 4 << 8 | 68
    files["/proc/self/stat"] = f"9 (a) b) S 1 9 9 {number} 9 4194304".encode()
    environ = login_environment(CapturedFiles(files), {})
    assert environ == {"TTY": "ttyS4"}
    assert ("05:00.0", "carries the login at ttyS4") in reasons(CapturedFiles(files), **environ)
    for number in (0, -1, 4 << 8 | 2, 136 << 8 | 1):  # none, a virtual console, a window
        files["/proc/self/stat"] = f"9 (a) b) S 1 9 9 {number} 9".encode()
        assert login_environment(CapturedFiles(files), {}) == {}


HEAD = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


def test_a_tunnels_own_packets_keep_their_interface() -> None:
    route = (
        f"{HEAD}tun0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0\n"
        "enp15s0 09090909 0100030A 0007 0 0 0 FFFFFFFF 0 0 0\n"
    )
    found = reasons(changed(**{"self/net/route": route}))
    assert ("0f:00.0", "carries the default route by the tunnel tun0 (enp15s0)") in found
    assert not any(at == "10:00.0" for at, _ in found)


def test_a_tunnel_within_the_house() -> None:
    route = (
        f"{HEAD}wg0 0000090A 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
        "enp16s0 0000080A 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
    )
    files = changed(**{"self/net/route": route})
    found = reasons(files, SSH_CONNECTION="10.9.0.2 40000 10.9.0.1 22")
    assert ("10:00.0", "carries the login from 10.9.0.2 by the tunnel wg0 (enp16s0)") in found


def test_a_line_by_pppoe_has_no_address_of_its_own() -> None:
    route = f"{HEAD}ppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n"
    files = changed(**{"self/net/route": route}).entries
    files["/proc/self/net/pppoe"] = (
        b"Id       Address              Device\nC2E10000 5C:E2:8C:00:00:01    enp15s0\n"
    )
    found = reasons(CapturedFiles(files))
    assert ("0f:00.0", "carries the default route by the tunnel ppp0 (enp15s0)") in found


def test_a_port_of_a_virtual_switch() -> None:
    files = server().entries
    folder = "/sys/devices/virtual/net"
    route = str(files["/proc/self/net/route"], "ascii").replace("br0", "br-ex")  # type: ignore[arg-type]
    files["/proc/self/net/route"] = route.encode()
    for name in ("br-ex", "ovs-system"):
        files[f"/sys/class/net/{name}"] = f"../..{folder[4:]}/{name}"
    files[f"{folder}/br-ex/master"] = "../ovs-system"
    files[f"{folder}/ovs-system/lower_br-ex"] = files[f"{folder}/ovs-system/lower_enp15s0"] = "../x"
    found = reasons(CapturedFiles(files))
    assert ("0f:00.0", "carries the default route (br-ex above enp15s0)") in found


def test_the_way_back_to_who_logged_in_stays_too() -> None:
    """The address of this end may stand on no card at all; the packets leave by one."""
    found = reasons(server(), SSH_CONNECTION="10.3.7.7 1 172.31.0.1 22")
    assert ("0f:00.0", "carries the login from 10.3.7.7 (enp15s0)") in found


def test_a_disk_by_nvme_over_tcp() -> None:
    files = server().entries
    link = "../../devices/virtual/nvme-fabrics/ctl/nvme8/nvme8n1"
    files["/sys/class/block/nvme8n1"] = files["/sys/dev/block/259:90"] = link
    files["/sys/class/nvme/nvme8/address"] = b"traddr=10.3.1.1,trsvcid=4420,src_addr=10.3.0.1\n"
    mounts = bytes(files["/proc/self/mountinfo"])  # type: ignore[arg-type]
    files["/proc/self/mountinfo"] = mounts + b"40 22 259:90 / /far rw - ext4 /dev/nvme8n1 rw\n"
    why = "carries the file system at /far (/dev/nvme8n1 above NVMe 10.3.1.1 above enp15s0)"
    assert ("0f:00.0", why) in reasons(CapturedFiles(files))


def test_chains_in_a_ring_end() -> None:
    files = server().entries
    files["/sys/devices/virtual/net/br0/lower_br0"] = "../x"
    files["/sys/devices/virtual/block/md0/slaves/dm-2"] = "../x"
    reasons(CapturedFiles(files))


@pytest.mark.parametrize("text", ["", "x", "a b c d", "1.2.3.400 5 300.1.1.1 22", "1 2 \0 4"])
def test_an_odd_login_protects_nothing_and_breaks_nothing(text: str) -> None:
    assert reasons(workstation(), SSH_CONNECTION=text) == reasons(workstation())


@settings(deadline=None)
@given(st.sampled_from(["/proc/self/mountinfo", "/proc/swaps", "/proc/self/net/route",
                        "/proc/self/net/ipv6_route", "/proc/consoles", "/proc/interrupts",
                        "/proc/bus/input/devices", "/run/udev/data/b259:3",
                        "/sys/class/iscsi_connection/connection2:0/address"]),
       st.text(max_size=60))  # fmt: skip
def test_any_text_is_survived(path: str, text: str) -> None:
    files = server()
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
