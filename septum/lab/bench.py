"""How quick is Septum, beside QEMU, in a lab whose clock counts instructions?

The story: build the guests, start the bench computer, measure each thing for each virtual
machine monitor, write build/bench/report.json and print it.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from septum.engine.kvm.kernel import elf_of
from septum.errors import Problem
from septum.lab import bench_report, cpio, images
from septum.lab.computer import Way, read_computer
from septum.lab.modules import module_entries
from septum.lab.progress import Progress
from septum.lab.run import Lab
from septum.units import MiB

FOLDER = Path("build/bench")
PLACE = "/var/tmp/bench"
PYTHON = "/opt/septum/bin/python"
NVME = "0000:00:03.0"
REPEATS = 3
ROUNDS = 8  # the first warms the caches
READS = 4000
READ_MODULES = ("nvme",)
COMMAND_LINE = "console=ttyS0 quiet panic=-1 reboot=k"
SECONDS = 180.0  # outside, at most, for one measurement
TRIES = 4

TABLE = f"""[machine]
platform = "pc"

[instances.start]
kernel = "{PLACE}/bzImage"
initrd = "{PLACE}/start.initrd"
command_line = "{COMMAND_LINE}"
memory = "512M"
processors = {{ share = [0] }}
on_reboot = "stop"
"""
# Without its HPET: with it, the guest deadlocks in its timer interrupt in the lab.
QEMU = (
    *("qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-smp", "1"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
)


def main() -> int:
    """Measure, report; 0 when everything could be measured, whatever it came to."""
    progress = Progress()
    FOLDER.mkdir(parents=True, exist_ok=True)
    disk = FOLDER / "bench.ext4"
    with progress.step("packing the guests"):
        pack(disk, images.build(progress))
    lab = Lab(
        read_computer("bench"),
        way=Way(icount=True),
        folder=FOLDER / "lab",
        progress=progress,
        more_files={disk.name: disk},
    )
    with lab:
        prepare(lab)
        results, failures = measured(lab, progress)
    report = bench_report.report(results, failures)
    (FOLDER / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(bench_report.listing(report))
    print(f"\nwritten to {FOLDER / 'report.json'}")
    return 1 if failures else 0


def pack(disk: Path, built: images.Images) -> None:
    """Write kernels, initramfs and tables to a disk."""
    root = built.host_tree
    kernel = built.files["green.vmlinuz"].read_bytes()
    contents = {
        "bzImage": kernel,
        "vmlinux": elf_of(kernel, "green.vmlinuz"),
        "start.initrd": guest(root, "bench-start-init", ()),
        "reads.initrd": guest(root, "bench-reads-init", READ_MODULES),
        "reads": (images.FILES / "bench-reads").read_bytes(),
        "start.toml": TABLE.encode(),
        "hold.toml": TABLE.replace("reboot=k", "reboot=k -- hold").encode(),
        "reads.toml": reads_table().encode(),
    }
    disk.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        images.file_system(Path(folder), disk, spare=32 * MiB)


def prepare(lab: Lab) -> None:
    """Let the lab have the guests, its drivers, and a processor that is idle when it waits."""
    # The one that is a disk: a path to it in /sys/block tells the same number
    find = (
        "for d in /sys/block/nvme*; do "
        "grep -q 3 $d/nsid && test -b /dev/${d##*/} && echo /dev/${d##*/}; done"
    )
    lab.run(f"mkdir -p {PLACE} && mount -o ro $({find}) {PLACE}", check=True)
    lab.run("modprobe kvm_amd && modprobe vfio-pci", check=True)
    # Waiting in circles in place of halting would be counted as work
    lab.run("echo 0 > /sys/module/kvm/parameters/halt_poll_ns", check=True)


def guest(root: Path, init: str, modules: tuple[str, ...]) -> bytes:
    """An initramfs of busybox, an init of ours and modules."""
    entries = [cpio.file("init", (images.FILES / init).read_bytes(), 0o755), *images.busybox(root)]
    entries.append(cpio.file("reads", (images.FILES / "bench-reads").read_bytes(), 0o755))
    entries += [cpio.folder(name) for name in ("dev", "proc", "sys")]
    return cpio.packed([*entries, *module_entries(root, modules)])


def reads_table() -> str:
    words = f"{COMMAND_LINE} reads={READS} rounds={ROUNDS}"
    table = TABLE.replace("start.initrd", "reads.initrd").replace(COMMAND_LINE, words)
    return table + f'functions = ["{NVME}"]\n'


def qemu(machine: str, kernel: str, initrd: str, more: str = "", *words: str) -> list[str]:
    files = ["-kernel", f"{PLACE}/{kernel}", "-initrd", f"{PLACE}/{initrd}"]
    append = f"{COMMAND_LINE} {more}".strip()
    return [*QEMU, "-machine", machine, *files, "-append", append, *words]


def starts() -> dict[str, tuple[list[str], list[str]]]:
    """For each monitor: the command whose guest reboots at once, and whose guest waits."""
    return {
        "septum": (septum("start"), septum("hold")),
        "qemu_q35": (
            qemu("q35,hpet=off", "vmlinux", "start.initrd"),
            qemu("q35,hpet=off", "vmlinux", "start.initrd", "-- hold"),
        ),
        "qemu_pc": (
            qemu("pc,hpet=off", "bzImage", "start.initrd"),
            qemu("pc,hpet=off", "bzImage", "start.initrd", "-- hold"),
        ),
    }


def septum(table: str) -> list[str]:
    name = "start"
    return ["septum", "run", f"{PLACE}/{table}.toml", name]


def measured(lab: Lab, progress: Progress) -> tuple[dict[str, Any], list[str]]:
    """All that was measured, and what could not be, in words."""
    results: dict[str, Any] = {"start": {}, "hold": {}, "reads": {}}
    failures: list[str] = []

    def attempt(what: str, measure: Callable[[], object], kind: str, name: str) -> None:
        try:
            with progress.step(f"measuring {what}"):
                results[kind][name] = measure()
            (FOLDER / "measured.json").write_text(json.dumps(results, indent=2) + "\n")
        except Problem as problem:
            progress.say(f"{what}: {problem}")
            failures.append(f"{what}: {problem}")

    for name, (quick, held) in starts().items():
        attempt(f"exits and memory of {name}", lambda held=held: one_hold(lab, held), "hold", name)  # type: ignore[misc]
        attempt(f"the start of {name}", lambda quick=quick: start_times(lab, quick), "start", name)  # type: ignore[misc]
    attempt("reads, native", lambda: native_reads(lab), "reads", "native")
    attempt("reads under Septum", lambda: reads(lab, septum("reads")), "reads", "septum")
    attempt("reads under QEMU", lambda: qemu_reads(lab), "reads", "qemu")
    return results, failures


def start_times(lab: Lab, command: list[str]) -> list[float]:
    """Lab seconds from exec to reboot, after one start that warms the caches."""
    times = []
    for _ in range(REPEATS + 1):
        found = measure(lab, "start", command)
        if not found["init"]:
            raise Problem("the guest did not reach init", because=str(found["said"])[-300:])
        times.append(float(found["seconds"]))
    return times[1:]


def one_hold(lab: Lab, command: list[str]) -> Mapping[str, object]:
    """What a second start finds: the first warms the caches."""
    for _ in range(2):
        found = measure(lab, "hold", command)
        if not found["init"]:
            raise Problem("the guest did not reach init", because=str(found["said"])[-300:])
    return found


def native_reads(lab: Lab) -> Mapping[str, object]:
    # nvme1c1n1 is the controller's path to the disk nvme1n1
    find = "grep -Eo 'nvme[0-9]+(c[0-9]+)?n1$' | sed 's/c[0-9]*//'"
    disk = lab.run(f"ls /sys/bus/pci/devices/{NVME}/nvme/*/ | {find}", check=True)
    words = ["busybox", "sh", f"{PLACE}/reads", f"/dev/{disk.stdout.strip()}"]
    return reads(lab, [*words, str(READS), str(ROUNDS)])


def qemu_reads(lab: Lab) -> Mapping[str, object]:
    """QEMU does not take devices from Linux: that is done for it."""
    device = f"/sys/bus/pci/devices/{NVME}"
    bind = "echo {} > {}/driver_override; echo {} > {}/driver/unbind; echo {} > {}"
    probe = "/sys/bus/pci/drivers_probe"
    lab.run(bind.format("vfio-pci", device, NVME, device, NVME, probe), check=True)
    try:
        more = f"reads={READS} rounds={ROUNDS}"
        words = ["-device", f"vfio-pci,host={NVME}"]
        return reads(lab, qemu("q35,hpet=off", "vmlinux", "reads.initrd", more, *words))
    finally:
        lab.run(bind.format("", device, NVME, device, NVME, probe))


def reads(lab: Lab, command: list[str]) -> Mapping[str, object]:
    found = {**measure(lab, "reads", command), "reads": READS}
    if len(found["busy"]) != 2 * ROUNDS + 1:
        raise Problem("the disk was not read", because=str(found["said"])[-300:])
    return found


def measure(lab: Lab, job: str, command: list[str]) -> dict[str, Any]:
    """What septum.lab.measure prints. A guest that hangs is tried again, and that is said.

    In the lab a guest may be interrupted where it has forbidden that, and then waits for ever
    for a lock of its own: seen under QEMU as well as under Septum.
    """
    words = shlex.join([PYTHON, "-m", "septum.lab.measure", job, "--", *command])
    for _ in range(TRIES):
        done = lab.run(words, timeout=SECONDS)
        if not done.timed_out:
            break
        print(f"lab: the guest hangs, tried again: {words}", file=sys.stderr)
        # In brackets, so that the shell which is told this does not match
        for pattern in ("[s]eptum.lab.measure", "[q]emu-system", "[s]eptum run"):
            lab.run(f"pkill -KILL -f '{pattern}'")
        lab.run("septum ps", check=True)
    if done.code != 0:
        raise Problem(f"cannot measure {shlex.join(command)}", because=done.stderr.strip()[-300:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
