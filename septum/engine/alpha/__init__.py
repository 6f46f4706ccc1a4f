"""How is an instance run on a software Alpha computer? Core, chipset, and the VMM's PALcode."""
