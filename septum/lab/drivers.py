"""Does every driver do its work? An initramfs whose first process tries all that it finds.

The kernel is green's. Linux loads no module by itself here: all of the list are there, in loading
order, as in green's initramfs. What the first process prints is in files/drivers-init.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import NamedTuple

from septum.lab import cpio
from septum.lab.cache import built
from septum.lab.images import FILES, busybox
from septum.lab.modules import module_entries
from septum.lab.progress import Progress

INITRD = "drivers.initrd"
END = "tried: end"
MODULES = (
    *("8139cp", "8139too", "e100", "e1000", "e1000e", "igb", "ne2k_pci", "pcnet32", "tulip"),
    *("virtio_pci", "virtio_net", "vmxnet3", "af_packet"),
    *("crc32c_generic", "ahci", "megaraid_sas", "mmc_block", "mptsas", "nvme", "sd_mod"),
    *("sdhci_pci", "sym53c8xx", "virtio_blk"),
    *("ehci_pci", "uhci_hcd", "xhci_pci", "evdev", "hid_generic", "usbhid", "usb_storage"),
    *("bochs", "snd_hda_codec_generic", "snd_hda_intel", "snd_intel8x0", "virtio_rng"),
)


class Tried(NamedTuple):
    """What its first process found: by the function's address, what it said of it."""

    drivers: dict[str, str]
    networks: dict[str, str]
    disks: dict[str, str]
    others: dict[str, str]  # inputs, sounds, screens and the like: "input x 2"


def build(host_tree: Path, progress: Progress) -> Path:
    """The initramfs, built if it is not there: host_tree is the lab host's tree's root."""
    scripts = tuple((FILES / name).read_bytes() for name in ("drivers-init", "green-lease"))

    def make(folder: Path) -> None:
        init, lease = scripts
        entries = [cpio.file("init", init, 0o755), cpio.file("bin/lease", lease, 0o755)]
        entries += [cpio.folder(name) for name in ("dev", "proc", "sys", "root")]
        entries += [*busybox(host_tree), *module_entries(host_tree, MODULES)]
        # It is sent to the lab, and its modules are plain
        (folder / INITRD).write_bytes(gzip.compress(cpio.packed(entries), 1, mtime=0))

    known = (host_tree.parent.name, scripts, MODULES)
    return built("drivers", known, make, "building the initramfs with every driver", progress) / (
        INITRD
    )


def tried(text: str) -> Tried:
    """What a console said, read."""
    found: dict[str, dict[str, str]] = {}
    for kind, address, rest in re.findall(
        r"^tried: (pci|net|disk|other) (\S+) (.*)$", text, re.MULTILINE
    ):
        of_kind = found.setdefault(kind, {})
        of_kind[address] = f"{of_kind[address]}, {rest}" if address in of_kind else rest
    return Tried(*(found.get(kind, {}) for kind in ("pci", "net", "disk", "other")))
