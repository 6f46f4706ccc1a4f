"""How does a process give up files, ports and signals by itself? landlock(7).

<linux/landlock.h>; Documentation/userspace-api/landlock.rst of Linux 6.12 tells which version of
the interface (ABI) has what.
"""

from __future__ import annotations

from septum.layouts.cstruct import CStruct, layout, u64

CREATE_RULESET_VERSION = 1  # the flag that asks for the version

# The accesses to files that a version knows: that many bits from the lowest.
FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
NEWEST_FILE_ACCESSES = 5  # later versions know the same ones
NET_VERSION, NET_ACCESSES = 4, 2  # bind and connect of TCP ports
SCOPE_VERSION, SCOPES = 6, 2  # abstract unix sockets, signals


@layout(size=24)
class Ruleset(CStruct):
    """struct landlock_ruleset_attr. Older versions know its beginning alone."""

    handled_access_fs: u64
    handled_access_net: u64 = 0
    scoped: u64 = 0


FIRST_SIZE, NET_SIZE = 8, 16  # bytes of it that versions 1 and NET_VERSION know
