"""What is not divided? Devices of the VMM, seen by instances through emulation."""
