"""What stands around the processor? The Tsunami chipset, PCI functions and ISA devices."""
