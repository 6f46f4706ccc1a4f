"""A workstation: two packages, five PCI roots, a graphics card with its sound, two Ethernet cards.

Linux stands on a volume (LVM) of the first NVMe disk and is reached through a bridge, br0.
"""

from __future__ import annotations

from septum.machine.capture import CapturedFiles
from tests.captured.description import Card, Computer, expanded

IOAT = tuple(
    Card(
        f"0000:00:04.{number}", "8086:2021", 0x088000, 2 + number, "ioatdma",
        bars=((0, "memory64", 0x387FFFF40000 - 0x4000 * number, 0x4000),), pin=1 + number % 4,
        line=16 + number % 4, msix=1, express="integrated", reset="", node=0, multifunction=True,
    )
    for number in range(8)
)  # fmt: skip

CARDS = (
    Card("0000:00:00.0", "8086:2020", 0x060000, 0, express="root_port", reset="", node=0),
    *IOAT,
    Card("0000:00:14.0", "8086:a1af", 0x0C0330, 20, "xhci_hcd", node=0, pin=1, line=33, msi=8,
         bars=((0, "memory64", 0x387FFFF00000, 0x10000),), express="", reset="pm",
         multifunction=True),
    Card("0000:00:14.2", "8086:a1b1", 0x118000, 20, node=0, pin=3, line=18, msi=1,
         bars=((0, "memory64", 0x387FFFF62000, 0x1000),), express="", reset="pm"),
    Card("0000:00:16.0", "8086:a1ba", 0x078000, 21, "mei_me", node=0, pin=1, line=16, msi=1,
         bars=((0, "memory64", 0x387FFFF61000, 0x1000),), express="", reset="pm"),
    Card("0000:00:17.0", "8086:a182", 0x010601, 22, "ahci", node=0, pin=1, line=34, msi=1,
         bars=((0, "memory32", 0x92000000, 0x2000), (1, "memory32", 0x92003000, 0x100),
               (2, "io", 0x3050, 8), (3, "io", 0x3040, 4), (4, "io", 0x3020, 32),
               (5, "memory32", 0x92080000, 0x80000)), express="", reset="",
         makes=("ata1/host0/target0:0:0/0:0:0:0/block/sda",)),
    Card("0000:00:1c.0", "8086:a190", 0x060400, 23, "pcieport", secondary=(1, 1), node=0,
         window=(0x91000000, 0x1000000), express="root_port", reset="pm", msi=1),
    Card("0000:01:00.0", "8086:1533", 0x020000, 24, "igb", "0000:00:1c.0", node=0, pin=1, line=16,
         bars=((0, "memory32", 0x91000000, 0x80000), (2, "io", 0x2000, 32),
               (3, "memory32", 0x91080000, 0x4000)), msi=1, msix=5, makes=("net/eno1",)),
    Card("0000:00:1f.0", "8086:a1c1", 0x060100, 25, node=0, express="", reset="",
         multifunction=True),
    Card("0000:00:1f.2", "8086:a1a1", 0x058000, 25, node=0, express="", reset="",
         bars=((0, "memory32", 0x92084000, 0x4000),)),
    Card("0000:00:1f.4", "8086:a1a3", 0x0C0500, 25, "i801_smbus", node=0, pin=1, line=16,
         bars=((0, "memory64", 0x387FFFF60000, 0x100), (4, "io", 0x780, 32)), express="",
         reset=""),
    Card("0000:17:00.0", "8086:2030", 0x060400, 30, "pcieport", secondary=(0x18, 0x18), node=0,
         window=(0x9E000000, 0x2000000), express="root_port", reset="pm", msi=2),
    Card("0000:18:00.0", "10de:1cb1", 0x030000, 31, "nouveau", "0000:17:00.0", node=0, pin=1,
         line=40, bars=((0, "memory32", 0x9E000000, 0x1000000),
                        (1, "prefetchable64", 0x38BFE0000000, 0x10000000),
                        (3, "prefetchable64", 0x38BFF0000000, 0x2000000), (5, "io", 0x6000, 128)),
         rom=(0x9F000000, 0x80000), msi=1, reset="bus", multifunction=True,
         makes=("drm/card0",), boot_vga=True),
    Card("0000:18:00.1", "10de:0fb9", 0x040300, 31, "snd_hda_intel", "0000:17:00.0", node=0, pin=2,
         line=41, bars=((0, "memory32", 0x9F080000, 0x4000),), msi=1, reset="bus",
         makes=("sound/card0",)),
    Card("0000:3a:00.0", "8086:2030", 0x060400, 32, "pcieport", secondary=(0x3B, 0x3C), node=0,
         window=(0xB8000000, 0x1000000), express="root_port", reset="pm", msi=2),
    Card("0000:3b:00.0", "8086:1572", 0x020000, 33, "i40e", "0000:3a:00.0", node=0, pin=1, line=42,
         bars=((0, "prefetchable64", 0x38FFFE000000, 0x800000),
               (3, "prefetchable64", 0x38FFFF008000, 0x8000)), msi=1, msix=129,
         multifunction=True, makes=("net/ens1f0",)),
    Card("0000:3b:00.1", "8086:1572", 0x020000, 34, "i40e", "0000:3a:00.0", node=0, pin=1, line=42,
         bars=((0, "prefetchable64", 0x38FFFD800000, 0x800000),
               (3, "prefetchable64", 0x38FFFF000000, 0x8000)), msi=1, msix=129,
         makes=("net/ens1f1",)),
    Card("0000:80:02.0", "8086:2032", 0x060400, 40, "pcieport", secondary=(0x81, 0x81), node=1,
         window=(0xE0000000, 0x100000), express="root_port", reset="pm", msi=2),
    Card("0000:81:00.0", "144d:a808", 0x010802, 41, "nvme", "0000:80:02.0", node=1, pin=1, line=50,
         bars=((0, "memory64", 0xE0000000, 0x4000),), msi=1, msix=33,
         makes=("nvme/nvme0/nvme0n1/nvme0n1p1", "nvme/nvme0/nvme0n1/nvme0n1p2")),
    Card("0000:80:03.0", "8086:2033", 0x060400, 42, "pcieport", secondary=(0x82, 0x82), node=1,
         window=(0xE0100000, 0x100000), express="root_port", reset="pm", msi=2),
    Card("0000:82:00.0", "144d:a808", 0x010802, 43, "nvme", "0000:80:03.0", node=1, pin=1, line=51,
         bars=((0, "memory64", 0xE0100000, 0x4000),), msi=1, msix=33,
         makes=("nvme/nvme1/nvme1n1",)),
    Card("0000:85:05.0", "8086:2034", 0x088000, 50, node=1, express="integrated", reset=""),
)  # fmt: skip

IOMEM = """00000000-00000fff : Reserved
00001000-0009ffff : System RAM
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : System ROM
00100000-6fffffff : System RAM
70000000-7fffffff : Reserved
80000000-8fffffff : PCI MMCONFIG 0000 [bus 00-ff]
  80000000-8fffffff : Reserved
90000000-9d7fffff : PCI Bus 0000:00
  91000000-91ffffff : PCI Bus 0000:01
    91000000-9107ffff : 0000:01:00.0
  92000000-92001fff : 0000:00:17.0
9d800000-aaffffff : PCI Bus 0000:17
  9e000000-9fffffff : PCI Bus 0000:18
ab000000-b87fffff : PCI Bus 0000:3a
  b8000000-b8ffffff : PCI Bus 0000:3b
d3800000-e0ffffff : PCI Bus 0000:80
  e0000000-e00fffff : PCI Bus 0000:81
e1000000-ee7fffff : PCI Bus 0000:85
fec00000-fecfffff : PNP0003:00
100000000-187fffffff : System RAM
380000000000-387fffffffff : PCI Bus 0000:00
388000000000-38bfffffffff : PCI Bus 0000:17
38c000000000-38ffffffffff : PCI Bus 0000:3a
390000000000-393fffffffff : PCI Bus 0000:80
394000000000-397fffffffff : PCI Bus 0000:85
"""
IOPORTS = """0000-0cf7 : PCI Bus 0000:00
  0000-001f : dma1
  03f8-03ff : serial
1000-4fff : PCI Bus 0000:00
  2000-2fff : PCI Bus 0000:01
5000-8fff : PCI Bus 0000:17
9000-afff : PCI Bus 0000:3a
b000-cfff : PCI Bus 0000:80
d000-ffff : PCI Bus 0000:85
"""
ROUTE = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
br0\t00000000\t0100A8C0\t0003\t0\t0\t425\t00000000\t0\t0\t0
br0\t0000A8C0\t00000000\t0001\t0\t0\t425\t00FFFFFF\t0\t0\t0
ens1f1\t0000000A\t00000000\t0001\t0\t0\t100\t000000FF\t0\t0\t0
"""
VIRTUAL = "../../devices/virtual"
PACKAGES = tuple(
    (package, core, package) for _ in range(2) for package in range(2) for core in range(4)
)


def workstation() -> CapturedFiles:
    """Its files; a fresh copy each time."""
    return expanded(
        Computer(
            name="workstation",
            cards=CARDS,
            topology=PACKAGES,
            iomem=IOMEM,
            ioports=IOPORTS,
            reserved={20: "0x000000006f000000 0x000000006f0fffff direct\n"},
            mounts=(
                ("254:0", "/", "/dev/mapper/vg-root"),
                ("259:1", "/boot/efi", "/dev/nvme0n1p1"),
                ("0:22", "/proc", "proc"),
                ("0:45", "/data", "/dev/sda"),
            ),
            swaps="Filename Type Size Used Priority\n/dev/dm-0 partition 8388604 0 -2\n",
            devices={
                "/sys/dev/block/254:0": "../../devices/virtual/block/dm-0",
                "/sys/dev/block/259:1": "../../devices/pci0000:80/0000:80:02.0/0000:81:00.0/"
                "nvme/nvme0/nvme0n1/nvme0n1p1",
                "/sys/class/block/dm-0": f"{VIRTUAL}/block/dm-0",
                "/sys/devices/virtual/block/dm-0/slaves/nvme0n1p2": "../../../../x/nvme0n1p2",
                "/sys/class/net/br0": f"{VIRTUAL}/net/br0",
                "/sys/class/net/lo": f"{VIRTUAL}/net/lo",
                "/sys/devices/virtual/net/br0/lower_eno1": "../../../pci0000:00/0000:00:1c.0",
                "/sys/class/iommu/dmar0": "../../devices/virtual/iommu/dmar0",
                "/sys/class/iommu/dmar1": "../../devices/virtual/iommu/dmar1",
            },
            route=ROUTE,
            interrupts="  CPU0\n  8:  0 IR-IO-APIC 8-edge rtc0\n 42: 5 IR-PCI-MSI 1-edge eno1\n",
            memory_kib=98 << 20,
            files={
                "/proc/cmdline": "root=/dev/mapper/vg-root intel_iommu=on quiet\n",
                "/proc/consoles": "ttyS0 -W- (EC p  ) 4:64\n",
                "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "8192\n",
                "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "8000\n",
                "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0\n",
                "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "0\n",
            },
        )
    )
