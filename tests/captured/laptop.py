"""A laptop: one package, groups shared behind its chipset, no interrupt remapping.

Two old conventional cards stand behind a bridge and share an interrupt line; the root ports of
the chipset keep nobody apart (group 7).
"""

from __future__ import annotations

from septum.machine.capture import CapturedFiles
from tests.captured.description import Card, Computer, expanded

CARDS = (
    Card("0000:00:00.0", "8086:3ec4", 0x060000, 0, "skl_uncore", express="", reset=""),
    Card("0000:00:02.0", "8086:3e9b", 0x030000, 1, "i915", pin=1, line=128, msi=1,
         bars=((0, "memory64", 0xEA000000, 0x1000000),
               (2, "prefetchable64", 0x90000000, 0x10000000), (4, "io", 0x5000, 64)),
         express="integrated", makes=("drm/card0",), boot_vga=True),
    Card("0000:00:14.0", "8086:a36d", 0x0C0330, 2, "xhci_hcd", pin=1, line=127, msi=8,
         bars=((0, "memory64", 0xED420000, 0x10000),), express="", reset="pm",
         multifunction=True),
    Card("0000:00:14.2", "8086:a36f", 0x050000, 2, bars=((0, "memory64", 0xED43A000, 0x2000),),
         express="", reset="pm"),
    Card("0000:00:16.0", "8086:a360", 0x078000, 3, "mei_me", pin=1, line=16, msi=1,
         bars=((0, "memory64", 0xED43F000, 0x1000),), express="", reset="pm"),
    Card("0000:00:1b.0", "8086:a340", 0x060400, 6, "pcieport", secondary=(3, 3), pin=1, line=122,
         window=(0xED300000, 0x100000), express="root_port", reset="pm", msi=1),
    Card("0000:03:00.0", "1c5c:1327", 0x010802, 8, "nvme", "0000:00:1b.0", pin=1, line=16, msi=1,
         msix=17, bars=((0, "memory64", 0xED300000, 0x4000),),
         makes=("nvme/nvme0/nvme0n1/nvme0n1p2",)),
    Card("0000:00:1c.0", "8086:a338", 0x060400, 7, "pcieport", secondary=(1, 1), pin=1, line=123,
         window=(0xED200000, 0x100000), express="root_port", reset="pm", msi=1,
         multifunction=True),
    Card("0000:01:00.0", "8086:2723", 0x028000, 7, "iwlwifi", "0000:00:1c.0", pin=1, line=16,
         msi=1, msix=16, bars=((0, "memory64", 0xED200000, 0x4000),), makes=("net/wlp1s0",)),
    Card("0000:00:1c.4", "8086:a33c", 0x060400, 7, "pcieport", secondary=(2, 2), pin=1, line=124,
         window=(0xED100000, 0x100000), express="root_port", reset="pm", msi=1),
    Card("0000:02:00.0", "10ec:525a", 0xFF0000, 7, "rtsx_pci", "0000:00:1c.4", pin=1, line=17,
         msi=1, bars=((1, "memory32", 0xED100000, 0x1000),), reset="pm bus"),
    Card("0000:00:1d.0", "8086:a330", 0x060400, 9, "pcieport", secondary=(4, 5), pin=1, line=125,
         window=(0xED000000, 0x100000), express="root_port", reset="pm", msi=1),
    Card("0000:04:00.0", "12d8:e111", 0x060400, 10, behind="0000:00:1d.0", secondary=(5, 5),
         window=(0xED000000, 0x100000), express="to_pci", reset="pm bus"),
    Card("0000:05:00.0", "9710:9835", 0x070002, 11, "serial", "0000:04:00.0", pin=1, line=19,
         bars=((0, "io", 0x4000, 8),), express="", reset="", makes=("tty/ttyS4",)),
    Card("0000:05:01.0", "1102:0002", 0x040100, 12, "snd_emu10k1", "0000:04:00.0", pin=1, line=19,
         bars=((0, "io", 0x4020, 32),), express="", reset="", makes=("sound/card1",)),
    Card("0000:00:1f.0", "8086:a30d", 0x060100, 13, express="", reset="", multifunction=True),
    Card("0000:00:1f.3", "8086:a348", 0x040300, 13, "snd_hda_intel", pin=1, line=145, msi=1,
         bars=((0, "memory64", 0xED438000, 0x4000),), express="", reset="pm",
         makes=("sound/card0",)),
    Card("0000:00:1f.4", "8086:a323", 0x0C0500, 13, "i801_smbus", pin=1, line=16,
         bars=((0, "memory64", 0xED43E000, 0x100),), express="", reset=""),
    Card("0000:00:1f.6", "8086:15bb", 0x020000, 13, "e1000e", pin=1, line=126, msi=1,
         bars=((0, "memory32", 0xED400000, 0x20000),), express="", makes=("net/eno1",)),
)  # fmt: skip

# As a reader who is not root sees it.
IOMEM = """00000000-00000000 : Reserved
00000000-00000000 : System RAM
00000000-00000000 : PCI Bus 0000:00
  00000000-00000000 : PCI Bus 0000:03
"""
ROUTE = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
wlp1s0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
wlp1s0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
"""


def laptop() -> CapturedFiles:
    """Its files; a fresh copy each time."""
    root = "../../devices/pci0000:00/0000:00:1b.0/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p2"
    return expanded(
        Computer(
            name="laptop",
            cards=CARDS,
            topology=tuple((0, core, 0) for core in (0, 0, 1, 1, 2, 2, 3, 3)),
            iomem=IOMEM,
            ioports="0000-0000 : PCI Bus 0000:00\n",
            reserved={1: "0x000000008a000000 0x000000008c7fffff direct-relaxable\n"},
            mounts=(("0:21", "/", "/dev/nvme0n1p2"), ("0:22", "/home", "/dev/nvme0n1p2")),
            swaps="Filename Type Size Used Priority\n",
            devices={
                "/sys/dev/block/259:2": root,
                "/sys/class/iommu/dmar0": "../../devices/virtual/iommu/dmar0",
            },
            route=ROUTE,
            interrupts="  CPU0\n  8:  0 IO-APIC 8-edge rtc0\n 42: 5 PCI-MSI 1-edge nvme0q0\n",
            memory_kib=16 << 20,
            files={
                "/proc/cmdline": "root=/dev/nvme0n1p2 intel_iommu=on intremap=off\n",
                "/proc/consoles": "tty0 -WU (EC p  ) 4:1\nttyS4 -W- (EC p  ) 4:68\n",
            },
        )
    )
