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
ROUTE_ANYWHERE = "00000000"  # its destination and mask columns of a default route
ROUTE6_ANYWHERE = "0" * 32  # of /proc/net/ipv6_route
