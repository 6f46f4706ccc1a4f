"""Are Linux's counts of interrupts read as it prints them?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.interrupts.counted import added_up, counts

# A host with two processors and two instances' functions bound to vfio-pci.
HOST = """\
            CPU0       CPU1
   0:         38          0  IR-IO-APIC    2-edge      timer
   1:          0          9  IR-IO-APIC    1-edge      i8042
   8:          1          0  IR-IO-APIC    8-edge      rtc0
   9:          0          0  IR-IO-APIC    9-fasteoi   acpi
  16:          0          0  IR-IO-APIC   16-fasteoi   i801_smbus
  20:        117         87  IR-IO-APIC   20-fasteoi   vfio-intx(0000:00:03.0)
  21:          5          6  IR-IO-APIC   21-fasteoi   vfio-intx(0000:00:04.0), ehci_hcd:usb1
  24:          0          0  DMAR-MSI    0-edge      dmar0
  25:          3          0  IR-PCI-MSI-0000:00:01.0    0-edge      PCIe PME, pciehp
  29:       1604       2212  IR-PCI-MSIX-0000:01:00.0    0-edge      vfio-msix[0](0000:01:00.0)
  30:         12          0  IR-PCI-MSIX-0000:01:00.0    1-edge      vfio-msix[1](0000:01:00.0)
  31:          0          0  IR-PCI-MSIX-0000:01:00.0    2-edge      vfio-msix[2](0000:01:00.0)
  33:          7          1  IR-PCI-MSI-0000:02:00.0    0-edge      vfio-msi[0](0000:02:00.0)
 NMI:          0          2   Non-maskable interrupts
 LOC:      51234      49876   Local timer interrupts
 RES:         10         20   Rescheduling interrupts
 CAL:        300        400   Function call interrupts
 TLB:       5000       6000   TLB shootdowns
 ERR:          0
 MIS:          0
 PIN:          0          0   Posted-interrupt notification event
"""


def test_counts_of_a_host() -> None:
    found = counts(HOST)
    assert found["vfio-msix[0](0000:01:00.0)"] == ("IRQ 29", 3816)
    assert found["vfio-msix[1](0000:01:00.0)"] == ("IRQ 30", 12)
    assert found["vfio-msix[2](0000:01:00.0)"] == ("IRQ 31", 0)
    assert found["vfio-msi[0](0000:02:00.0)"].count == 8
    assert found["vfio-intx(0000:00:03.0)"].count == 204
    assert found["vfio-intx(0000:00:04.0)"] == found["ehci_hcd:usb1"] == ("IRQ 21", 11)


def test_what_processors_request_by_themselves() -> None:
    found = counts(HOST)
    assert found["NMI"] == ("NMI", 2) and found["LOC"] == ("LOC", 101110)
    assert added_up(found, ("RES", "CAL", "TLB")) == ("RES+CAL+TLB", 11730)
    assert added_up(found, ("TLB", "none")) == ("TLB", 11000)
    assert added_up(found, ("MCE",)) is None, "nobody counts them: that is not zero"
    assert "ERR" not in found, "one number, of no processor"


def test_one_processor_and_none() -> None:
    text = "           CPU0\n 20:  5  IO-APIC  20-fasteoi  vfio-intx(0000:00:03.0)\nLOC:  7  x\n"
    assert counts(text)["vfio-intx(0000:00:03.0)"].count == 5
    assert counts(text)["LOC"].count == 7
    assert counts("") == {} and counts("\n") == {}


@given(some.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert all(one.count >= 0 for one in counts(text).values())
    assert all(one.count >= 0 for one in counts("  CPU0\n" + text).values())
