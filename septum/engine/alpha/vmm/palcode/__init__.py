"""The VMM in the place of the PALcode: everything an instance traps to."""
