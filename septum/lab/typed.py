"""What is typed at the consoles of the main job's systems, and at their host?

Each prints lines "key value"; both shells, dash and busybox's, know all of it. They are typed,
so each is one line, and short.
"""

from __future__ import annotations

from typing import Any

from septum.lab.report import SCRATCH_BYTES
from septum.units import MiB

# Where it writes: blue to a file on its root disk, green to its blank disk itself
SCRATCH = {"blue": "/var/tmp/scratch", "green": "/dev/sda"}
IN_MEMORY = {"blue": "/run/scratch", "green": "/tmp/scratch"}  # what is written, made beforehand

FACTS = (
    'echo "os $(uname -a)"; echo "processors $(nproc)"; m=0; '
    'for e in /sys/firmware/memmap/*; do read -r t <$e/type; [ "$t" = "System RAM" ] || continue; '
    "read -r a <$e/start; read -r b <$e/end; m=$((m+b-a+1)); done; "
    'echo "memory_bytes $m"; echo "memory_kib $(sed -n "s/MemTotal: *//p" /proc/meminfo)"; '
    'lspci -Dn | sed "s/^/pci /"'
)
LEASE = (
    "i=0; until set -- $(ip -4 -o addr show scope global) && [ $# -gt 3 ] || [ $i -ge 600 ]; "
    'do sleep 0.2; i=$((i+1)); done; echo "lease $2 $4"; '
    'echo "mac $(cat /sys/class/net/$2/address)"; '
    'c=$(readlink -f /sys/class/net/$2/device); echo "card ${c##*/}"; '
    'set -- $(ip -4 route show default); echo "gateway $3"'
)
# Ten by which one sees that it answers, then a burst of full packets
PINGS = (
    "set -- $(ip -4 route show default); ping -q -c 10 -i 0.1 $3; ping -q -c 100 -i 0.01 -s 1400 $3"
)
_WRITE_AND_READ = (
    'count() {{ k=$1; set -- $(cat /sys/block/sda/stat); echo "$k $3 $7"; }}; '
    "c=$(readlink -f /sys/block/sda/device); c=${{c%/host*}}; "
    'echo "controller ${{c##*/}}"; echo "size $(cat /sys/block/sda/size)"; '
    'echo "serial $(tail -c +5 /sys/block/sda/device/vpd_pg80)"; '
    "{{ uname -n; head -c {size} /dev/urandom; }} | head -c {size} >{memory}; "
    'echo "written $(md5sum <{memory})"; '
    "count before; dd if={memory} of={scratch} bs=1048576 conv=fsync 2>/dev/null; sync; "
    "echo 3 >/proc/sys/vm/drop_caches; "
    'echo "read $(dd if={scratch} bs=1048576 count={blocks} 2>/dev/null | md5sum)"; '
    'count after; echo "mark $(head -n 1 {scratch})"; rm {memory}'
)
COMPLAINTS = 'dmesg | grep -E "DMAR:.*Request device|BUG:|Oops"'
HOST_STATE = """
for f in {functions}; do
    d=$(readlink /sys/bus/pci/devices/$f/driver)
    echo "driver $f ${{d##*/}}"
done
echo "huge_pages $(cat /proc/sys/vm/nr_hugepages)"
for f in $(ls /run/septum/claims 2>/dev/null | grep -v '[.]lock$'); do echo "claim $f"; done
{complaints} | sed "s/^/fault /"
"""
# Where the threads of an instance's processors may run, and where each ran last: proc(5)
THREADS = r"""
for t in /proc/{pid}/task/*; do
    read -r name <$t/comm
    case $name in
    *" cpu"*)
        allowed=$(sed -n "s/^Cpus_allowed_list:\s*//p" $t/status)
        echo "$name/$allowed/$(sed "s/.*) //" $t/stat | cut -d " " -f 37)" ;;
    esac
done
"""


def write_and_read(name: str) -> str:
    """Write data of its own to its own disk, and read it back past all caches."""
    return _WRITE_AND_READ.format(
        size=SCRATCH_BYTES,
        blocks=SCRATCH_BYTES // MiB,
        scratch=SCRATCH[name],
        memory=IN_MEMORY[name],
    )


def threads(text: str) -> dict[str, Any]:
    """Where the threads of an instance's processors may run, and ran, of THREADS."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, allowed, ran_on = line.split("/")
        known = found.setdefault(name, {"allowed": numbers(allowed), "ran_on": []})
        known["ran_on"] = sorted({*known["ran_on"], int(ran_on)})
    return found


def numbers(text: str) -> list[int]:
    """A list as Linux writes it, "0-1,3": 0, 1 and 3."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
