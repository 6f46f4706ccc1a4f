"""A server: what it uses stands on everything Linux can pile up.

ZFS on two NVMe disks is its root; a volume of a mirror of two disks, encrypted, is mounted in a
container only; a bridge above a VLAN above a bond of two ports carries its default route; disks
and homes come over the network. Written from public knowledge.
"""

from __future__ import annotations

from septum.machine.capture import CapturedFiles
from tests.captured.description import Card, Computer, expanded

FREE = "0000:0f:00.0"


def _slot(bus: int, identity: str, code: int, driver: str, *makes: str, **more: object) -> Card:
    return Card(f"0000:{bus:02x}:00.0", identity, code, 20 + bus, driver, makes=makes, pin=1,
                msix=9, bars=((0, "memory64", 0xE0000000 + (bus << 20), 0x4000),),
                **more)  # type: ignore[arg-type]  # fmt: skip


def _nvme(bus: int, number: int, *parts: int) -> Card:
    disk = f"nvme/nvme{number}/nvme{number}n1"
    made = [f"{disk}/nvme{number}n1p{part}" for part in parts] or [disk]
    return _slot(bus, "144d:a80a", 0x010802, "nvme", *made)


def _network(bus: int, *names: str) -> Card:
    return _slot(bus, "8086:1563", 0x020000, "ixgbe", *(f"net/{name}" for name in names))


CARDS = (
    Card("0000:00:00.0", "8086:09a2", 0x060000, 0, reset=""),
    Card("0000:00:17.0", "8086:a1d2", 0x010601, 1, "ahci", express="", reset="", makes=(
        "ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1",
        "ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2")),
    Card("0000:00:14.0", "8086:a1af", 0x0C0330, 2, "xhci_hcd", express="", reset="pm"),
    _nvme(1, 0, 1, 3),
    _nvme(2, 1, 3),
    _slot(3, "1000:0097", 0x010700, "mpt3sas",
          "host1/target1:0:0/1:0:0:0/block/sdb/sdb1", "host1/target1:0:1/1:0:1:0/block/sdc"),
    _network(4, "eno1")._replace(multifunction=True),
    Card("0000:04:00.1", "8086:1563", 0x020000, 25, "ixgbe", makes=("net/eno2",)),
    _network(5, "enp5s0"),
    _network(6, "enp6s0"),
    _nvme(7, 2),
    _nvme(8, 3),
    _nvme(9, 4, 1),
    _nvme(10, 5, 1),
    _nvme(11, 6, 1),
    _network(12),  # its interface is a container's
    _slot(13, "1a03:2000", 0x030000, "ast", "drm/card0/card0-VGA-1", "graphics/fb0"),
    _slot(14, "10de:2230", 0x030000, "nouveau", "drm/card1/card1-DP-1", "drm/card1/card1-DP-2"),
    _network(15, "enp15s0"),
    _network(16, "enp16s0"),
)  # fmt: skip

MOUNTS = """22 1 0:25 / / rw,relatime shared:1 - zfs rpool/ROOT/debian rw,xattr,posixacl
23 22 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw
24 22 0:31 / /pool rw - btrfs /dev/nvme2n1 rw,space_cache=v2
25 22 0:32 / /with\\040space rw - bcachefs /dev/nvme3n1 rw
26 22 253:7 / /srv/xfs rw - xfs /dev/sdc rw,logdev=/dev/nvme5n1p1,noquota
27 22 8:48 / /backup rw - ext4 /dev/sdd rw
28 22 0:40 / /home rw - nfs4 10.2.0.5:/home rw,vers=4.2,addr=10.2.0.5
29 22 0:41 / /proc rw - proc proc rw
"""
CONTAINER = """90 80 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u
91 90 253:2 / /srv rw - ext4 /dev/mapper/secret rw
92 90 259:1 / /efi rw - vfat /dev/nvme0n1p1 rw
"""
ROUTE = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
br0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
br0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
enp5s0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
enp6s0\t0000020A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
enp15s0\t0000030A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
INPUTS = """I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0
H: Handlers=kbd event0
B: KEY=10000000000000 0

I: Bus=0003 Vendor=046d Product=c31c Version=0110
N: Name="Logitech USB Keyboard"
S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/0003:046D:C31C.0001/input/input5
H: Handlers=sysrq kbd leds event5
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe
"""
VIRTUAL = "../../devices/virtual"
BELOW = "/sys/devices/virtual"
ISCSI = "../../devices/platform/host3/session2/target3:0:0/3:0:0:0/block/sdd"
POOL = "/proc/spl/kstat/zfs"


def _member(numbers: str, kind: str, label: str = "", part: str = "") -> dict[str, str]:
    text = f"S:disk/by-id/x\nE:ID_FS_TYPE={kind}\n" + (f"E:ID_FS_LABEL={label}\n" if label else "")
    return {f"/run/udev/data/b{numbers}": text + (f"E:ID_PART_ENTRY_TYPE={part}\n" if part else "")}


def _numbers(**devices: str) -> dict[str, str]:
    return {f"/sys/class/block/{name}/dev": numbers for name, numbers in devices.items()}


LINKS = {
    "/sys/dev/block/259:1": "../../devices/pci0000:01/0000:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p1",
    "/sys/dev/block/253:2": f"{VIRTUAL}/block/dm-2",
    "/sys/dev/block/253:7": "../../devices/x/block/sdc",
    "/sys/dev/block/8:48": ISCSI,
    "/sys/class/block/sdd": ISCSI,
    **{f"/sys/class/block/{name}": f"{VIRTUAL}/block/{name}" for name in (
        "dm-0", "dm-1", "dm-2", "md0", "zram0")},
    f"{BELOW}/block/dm-2/slaves/dm-1": "../../dm-1",
    f"{BELOW}/block/dm-1/slaves/md0": "../../md0",
    f"{BELOW}/block/dm-0/slaves/md0": "../../md0",
    f"{BELOW}/block/md0/slaves/sda2": "../../x",
    f"{BELOW}/block/md0/slaves/sdb1": "../../x",
    f"{BELOW}/block/md0/holders/dm-1": "../../dm-1",
    "/sys/fs/btrfs/77ab/devices/nvme2n1": "../x/nvme2n1",
    "/sys/fs/bcachefs/31ce/dev-0/block": "../../../devices/x/nvme3n1",
    **{f"/sys/class/net/{name}": f"{VIRTUAL}/net/{name}" for name in (
        "br0", "bond0", "bond0.10", "lo", "macvlan0")},
    f"{BELOW}/net/br0/lower_bond0.10": "../bond0.10",
    f"{BELOW}/net/bond0.10/lower_bond0": "../bond0",
    f"{BELOW}/net/bond0/lower_eno1": "../x",
    f"{BELOW}/net/bond0/lower_eno2": "../x",
    f"{BELOW}/net/macvlan0/lower_enp16s0": "../x",
    "/sys/class/iommu/dmar0": "../../devices/virtual/iommu/dmar0",
    "/proc/self/ns/mnt": "mnt:[1]",
    "/proc/1/ns/mnt": "mnt:[1]",
    "/proc/812/ns/mnt": "mnt:[7]",
    "/proc/813/ns/mnt": "mnt:[7]",
}  # fmt: skip

FILES = {
    "/proc/self/mountinfo": MOUNTS,
    "/proc/812/mountinfo": CONTAINER,
    "/proc/813/mountinfo": CONTAINER,
    "/proc/cmdline": "intel_iommu=on iommu=pt\n",
    "/proc/consoles": "tty0 -WU (EC p  ) 4:1\n",
    "/proc/bus/input/devices": INPUTS,
    f"{BELOW}/block/dm-1/dm/name": "vg-secret\n",
    f"{BELOW}/block/dm-2/dm/name": "secret\n",
    f"{BELOW}/block/dm-0/dm/name": "vg-unused\n",
    f"{BELOW}/block/zram0/backing_dev": "/dev/nvme6n1p1\n",
    f"{BELOW}/net/br0/uevent": "DEVTYPE=bridge\nINTERFACE=br0\n",
    f"{BELOW}/net/bond0/uevent": "DEVTYPE=bond\n",
    f"{BELOW}/net/bond0.10/uevent": "DEVTYPE=vlan\n",
    f"{POOL}/rpool/state": "ONLINE\n",
    f"{POOL}/arcstats": "",
    "/sys/class/iscsi_connection/connection2:0/address": "10.1.0.9\n",
    "/sys/class/vtconsole/vtcon1/bind": "1\n",
    "/sys/class/vtconsole/vtcon1/name": "(M) frame buffer device\n",
    **_numbers(nvme0n1p3="259:3", nvme1n1p3="259:13", nvme4n1p1="259:41", nvme0n1="259:0"),
    **_member("259:3", "zfs_member", "rpool"),
    **_member("259:13", "zfs_member", "rpool"),
    **_member("259:41", "LVM2_member"),
}


def server() -> CapturedFiles:
    """Its files; a fresh copy each time."""
    files = expanded(
        Computer(
            name="server",
            cards=CARDS,
            topology=tuple((0, core, 0) for core in range(8)),
            iomem="00100000-6fffffff : System RAM\n",
            ioports="0000-0cf7 : PCI Bus 0000:00\n",
            reserved={},
            mounts=(),
            swaps="Filename Type Size Used Priority\n/dev/zram0 partition 8388604 0 100\n",
            devices=LINKS,
            route=ROUTE,
            interrupts="  CPU0\n 42: 5 IR-PCI-MSI 1-edge nvme0q0\n",
            memory_kib=64 << 20,
            files=FILES,
        )
    )
    for path, text in _through_links(files).items():
        files.entries[path] = text
    return CapturedFiles(files.entries)


def _through_links(files: CapturedFiles) -> dict[str, bytes]:
    """Files below /sys/class/block and /sys/class/drm stand where the links lead."""
    from septum.machine.capture import steps

    found: dict[str, bytes] = {}
    for path in [path for path in files.entries if path.startswith("/sys/class/block/")]:
        content = files.entries[path]
        if isinstance(content, bytes):
            del files.entries[path]
            found[steps(files, path)[0]] = content
    for name in ("card0-VGA-1", "card1-DP-1"):
        found[steps(files, f"/sys/class/drm/{name}/enabled")[0]] = b"enabled\n"
    upper = steps(files, "/sys/class/net/enp16s0/upper_macvlan0")[0]
    found[upper] = b""
    return found
