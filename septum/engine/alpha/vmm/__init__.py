"""The VMM in the place of the PALcode: it knows hardware by its registers alone."""
