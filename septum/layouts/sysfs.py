"""Which numbers do Linux's own files about hardware contain?"""

from __future__ import annotations

# Third column of /sys/bus/pci/devices/*/resource. Linux, include/linux/ioport.h.
RESOURCE_IO = 0x100
RESOURCE_MEMORY = 0x200
RESOURCE_PREFETCH = 0x2000
RESOURCE_MEMORY_64 = 0x100000
RESOURCE_UNSET = 0x20000000

ROM_LINE = 6  # lines 0 to 5 are the BARs. Linux, include/linux/pci.h

ROUTE_UP = 0x1  # flags column of /proc/net/route. Linux, include/uapi/linux/route.h
ROUTE6_REJECT = 0x200  # flags column of /proc/net/ipv6_route: RTF_REJECT, the same header

# Bits 1 to 31 of a keyboard's KEY= in /proc/bus/input/devices: Escape to S. A power button has
# a few keys only. Linux, include/uapi/linux/input-event-codes.h
KEYBOARD_KEYS = 0xFFFFFFFE

# Major number of virtual and of serial terminals, and the first minor that is a serial port's.
# Linux, Documentation/admin-guide/devices.txt
TERMINAL_MAJOR = 4
FIRST_SERIAL_MINOR = 64

# What a partition's type says is a part of a ZFS pool. GUID Partition Table
ZFS_PARTITION = "6a898cc3-1dd2-11b2-99a6-080020736631"
