"""The processor: an EV6 whose instructions are compiled, and its translation buffer."""
