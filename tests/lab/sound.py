"""A report of the main job in which everything is right: for tests to spoil."""

from __future__ import annotations

from typing import Any

from septum.admin.cli.listing import in_json
from septum.lab import attempts, isolation, judges, report
from septum.lab.computer import read_computer
from septum.machine.inventory import inventory
from tests.captured import lab

OWNED = {
    "blue": ("0000:00:03.0", "0000:01:00.0"),
    "green": ("0000:00:04.0", "0000:02:00.0"),
}
MEMORY = {"blue": 512 << 20, "green": 256 << 20}
TABLE = {
    "instances": [
        {
            "name": name,
            "memory": {"base": MEMORY[name], "float": 0},
            "processors": {"numbers": [0, 1], "own": False, "weight": 100, "count": 1},
            "functions": list(functions),
        }
        for name, functions in OWNED.items()
    ]
}
MACHINE: Any = in_json(inventory(lab()))
SIZES = {name: 1 << 30 for name in ("host.ext4", "septum.ext4", "blue.ext4")}
SIZES["blank.img"] = 256 << 20
PROMISED = report.promises(TABLE, MACHINE, read_computer(), SIZES)
MEANWHILE = {
    "pings_sent": attempts.BYSTANDERS_PINGS,
    "pings_answered": attempts.BYSTANDERS_PINGS,
}
CHECKSUM = {"blue": "b" * 32, "green": "9" * 32}
OTHER = {"blue": "green", "green": "blue"}


def instance(name: str, number: int) -> dict[str, Any]:
    promise = PROMISED[name]
    expected = {**judges.HOST_BRIDGES, **promise.functions, **promise.bridges}
    hidden = [at for at in promise.others if at not in expected and at.startswith("0000:00")]
    return {
        "os": f"Linux {name} 6.1.0-56-amd64 #1 SMP Debian 6.1.192-2 x86_64 GNU/Linux",
        "pci": [
            {"address": at, "vendor:device": identity, "class": kind}
            for at, (identity, kind) in expected.items()
        ],
        "memory_bytes": MEMORY[name] - (385 << 10),
        "memory_usable_bytes": int(MEMORY[name] * 0.93),
        "processors": 1,
        "ethernet": {
            "interface": "eth0", "function": OWNED[name][1],
            "mac": f"52:54:00:00:00:{number + 4:02x}",
            "address": f"10.{number}.0.15/24", "gateway": f"10.{number}.0.2",
            "lease": True, "pings_sent": 110, "pings_answered": 110,
        },
        "scsi": {
            "function": OWNED[name][0], "serial": f"scsi-{number}-0",
            "size": promise.disk_size, "mark": name,
            "bytes_written": 8 << 20, "bytes_read": 9 << 20,
            "written": CHECKSUM[name], "read": CHECKSUM[name], "equal": True,
        },
        "exits": {
            "until_init": {"port read": 700, "port write": 900},
            "during_io": {"port write": 300},
            "msix_device": {},
            "scsi_device": {},
        },
        "concealed": hidden,
        "on_processors": {f"{name} cpu0": {"allowed": [0, 1], "ran_on": [1]}},
    }  # fmt: skip


def interrupt(name: str, request: str, device: str, by: str, count: int | None) -> dict[str, Any]:
    row = {"instance": name, "request": request, "line": "", "device": device, "handled_by": by}
    handler = "emulated by KVM" if by == report.VMM else "vector 33 of processor 0"
    return {**row, "delivery": "deliver", "handler": handler, "count": count}


def interrupts() -> list[dict[str, Any]]:
    rows = [
        {**interrupt("(all)", request, device, report.VMM, 7000), "line": judges.LINES[request],
         "handler": "Linux, below the VMM"}
        for request, device in judges.EVERYBODYS.items()
    ]  # fmt: skip
    for number, (name, (scsi, ethernet)) in enumerate(OWNED.items()):
        line = {"handler": "GSI 16, level", "line": f"IRQ {number + 20}"}
        rows.append({**interrupt(name, "INTx A", scsi, name, 700), **line})
        rows.append(
            {**interrupt(name, "MSI-X 0", ethernet, name, 50), "line": f"IRQ {number + 30}"}
        )
        rows += [
            interrupt(name, request, device, report.VMM, None)
            for request, device in judges.VMM_REQUESTS.items()
        ]
    return rows


def tried(name: str) -> dict[str, Any]:
    targets = PROMISED[name].targets
    kinds = [target.what for target in targets]
    return {
        "tried": [
            {**target._asdict(), "answered": isolation.NOTHING[target.what]} for target in targets
        ],
        "recorded": {
            "no_memory": 2 * kinds.count(report.MEMORY),
            "no_port": 2 * kinds.count(report.PORT),
            "ecam": 2 * kinds.count(report.CONFIGURATION),
        },
        "neighbour": {**MEANWHILE, "read": CHECKSUM[OTHER[name]]},
    }


def dma() -> dict[str, Any]:
    aims = attempts.aims(PROMISED)
    device = OWNED["green"][0]
    return {
        "instance": "green",
        "device": device,
        "aims": [
            attempts.carried_out(
                aim, dict(zip(("got", "ended"), attempts.OUTCOME[aim.how], strict=True))
            )
            for aim in aims
        ],
        "faults": [
            {"device": device, "how": aim.how, "address": f"{aim.address:#x}"} for aim in aims
        ],
        "read_again": CHECKSUM["green"],
        "neighbour": {**MEANWHILE, "read": CHECKSUM["blue"]},
    }


def sound() -> dict[str, Any]:
    """The report; a fresh one each time."""
    rows = interrupts()
    earlier = [{**row, "count": row["count"] and row["count"] - 20} for row in rows]
    return {
        "instances": {name: instance(name, number) for number, name in enumerate(OWNED, 1)},
        "interrupt_table": report.interrupt_table(earlier, rows),
        "at_the_same_time": 4.5,
        "attempts": {name: tried(name) for name in OWNED},
        "dma": dma(),
        "ended": {"blue": "powered off", "green": "powered off"},
        "given_back": {
            "drivers": {
                at: ["e1000e", "e1000e"] if at.endswith("1:00.0") else ["", ""]
                for functions in OWNED.values()
                for at in functions
            },
            "huge_pages": [0, 0],
            "claims": [],
            "faults": [],
        },
        "seconds": {"lab": 15.0, "blue until init": 9.5, "total": 80.0},
    }
