"""Which functions has the lab's cabinet, and what does each do in whoever owns it?

As natively: the same kernel and initramfs on the same devices, in a QEMU without an IOMMU and
without Septum, found the same drivers, leases, disks and kinds of interrupts.
"""

from __future__ import annotations

from typing import NamedTuple

NETWORK, DISK = "network", "disk"
LINE, MSI, MSIX = "INTx", "MSI ", "MSI-X"
NONE = ""


class Expected(NamedTuple):
    """A function's driver ("none": no driver knows it, or none may), what it is good for, and
    by which kind of request it interrupts (none: it has nothing to say in so short a time)."""

    driver: str
    use: str = ""
    request: str = NONE


EVERY = {
    "0000:00:02.0": Expected("nvme", DISK, MSIX),
    "0000:00:05.0": Expected("8139cp", NETWORK, LINE),
    "0000:00:06.0": Expected("e1000", NETWORK, LINE),
    "0000:00:07.0": Expected("e100", NETWORK, LINE),
    "0000:00:09.0": Expected("pcnet32", NETWORK, LINE),
    "0000:00:0a.0": Expected("vmxnet3", NETWORK, MSIX),
    "0000:00:11.0": Expected("virtio-pci", "random", MSIX),
    "0000:00:12.0": Expected("uhci_hcd"),
    "0000:00:12.1": Expected("uhci_hcd"),
    "0000:00:12.7": Expected("ehci-pci", DISK, LINE),
    "0000:00:14.0": Expected("megaraid_sas", DISK, MSIX),
    "0000:00:15.0": Expected("mptsas", "", LINE),
    "0000:00:16.0": Expected("none"),
    "0000:00:17.0": Expected("ahci", DISK, MSI),
    "0000:00:18.0": Expected("sdhci-pci", DISK, LINE),
    "0000:00:19.0": Expected("virtio-pci", DISK, MSIX),
    "0000:00:1a.0": Expected("snd_hda_intel", "sound"),
    "0000:00:1b.0": Expected("snd_intel8x0", "sound"),
    "0000:00:1c.0": Expected("bochs-drm", "drm"),
    "0000:00:1d.0": Expected("bochs-drm", "drm"),
    "0000:00:1e.0": Expected("none"),
    "0000:01:00.0": Expected("e1000e", NETWORK, MSIX),
    "0000:02:00.0": Expected("virtio-pci", NETWORK, MSIX),
    "0000:03:01.0": Expected("ne2k-pci", NETWORK, LINE),
    "0000:03:02.0": Expected("tulip", NETWORK, LINE),
    "0000:06:00.0": Expected("nvme", DISK, MSIX),
    "0000:07:00.0": Expected("xhci_hcd", DISK, MSIX),
    "0000:08:00.0": Expected("igb", NETWORK, MSIX),
    "0000:08:00.1": Expected("igb", NETWORK, MSIX),
    "0000:09:01.0": Expected("e1000", NETWORK, LINE),
    "0000:09:02.0": Expected("sym53c8xx", DISK, LINE),
}
# Two cards on one interrupt line of the machine, and two functions of one device: one each
LEFT = ("0000:00:05.0", "0000:08:00.0")
RIGHT = ("0000:00:09.0", "0000:08:00.1")
INSTANCE = """
[instances.{name}]
kernel = "/var/lib/septum/green.vmlinuz"
initrd = "/var/tmp/drivers.initrd"
command_line = "{command_line}"
memory = "{memory}"
processors = {{ share = [0, 1], count = 1 }}
functions = {functions}
without_reset = {without_reset}
on_reboot = "stop"
"""


class Owner(NamedTuple):
    """An instance of a table: what it owns, and how many cards and disks it finds there."""

    name: str
    functions: tuple[str, ...]
    networks: int
    disks: int
    memory: str = "256M"

    def text(self, without_reset: tuple[str, ...]) -> str:
        """As the table says it; of what cannot be reset, it accepts its own."""
        return INSTANCE.format(
            name=self.name,
            command_line="console=ttyS0 quiet panic=-1 "
            f"tried.net={self.networks} tried.block={self.disks}",
            memory=self.memory,
            functions=list(self.functions),
            without_reset=[one for one in without_reset if one in self.functions],
        )


def owner(name: str, functions: tuple[str, ...], memory: str = "256M") -> Owner:
    """Of functions of the cabinet."""
    uses = [EVERY[one].use for one in functions]
    return Owner(name, functions, uses.count(NETWORK), uses.count(DISK), memory)


def table(*instances: str) -> str:
    return "".join(['[machine]\nplatform = "pc"\n', *instances])
