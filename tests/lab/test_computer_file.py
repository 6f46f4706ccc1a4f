"""Is QEMU told what the computer's file says?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from septum.errors import Problem
from septum.lab.computer import COMPUTERS, Places, Way, computer_of, qemu_arguments, read_computer

PLACES = Places(Path("/run/console"), Path("/run/monitor"), Path("/run/pid"), 2222)
NAMES = ("host.vmlinuz", "host.initrd", "host.ext4", "septum.ext4", "blue.ext4", "blank.img")
FILES = {name: Path("/images") / name for name in NAMES}


def words(**way: Any) -> list[str]:
    return qemu_arguments(read_computer(), FILES, PLACES, Way(**way))


def values(of: str, said: list[str]) -> list[str]:
    return [value for word, value in pairwise(said) if word == of]


def content(**changes: Any) -> dict[str, Any]:
    function = {"name": "net", "device": "e1000e", "at": "00:01.0", "ssh": True}
    whole: dict[str, Any] = {
        "name": "one",
        "memory": "1G",
        "processors": 1,
        "kernel": "k",
        "initrd": "i",
        "command_line": "",
        "functions": [function],
    }
    return whole | changes


def test_the_usual_computer_can_be_divided() -> None:
    said = words()
    assert "intel-iommu,intremap=on,caching-mode=on" in values("-device", said)
    assert values("-machine", said) == ["q35,kernel-irqchip=split"]
    assert values("-m", said) == ["4096M"]
    assert values("-smp", said) == ["2"]
    kinds = [device.partition(",")[0] for device in values("-device", said)]
    assert kinds.count("e1000e") == 3
    assert kinds.count("pcie-root-port") == 2
    assert kinds.count("lsi53c895a") == 2


def test_every_disk_stays_as_it_was_built() -> None:
    drives = values("-drive", words())
    assert len(drives) == 4
    assert all("snapshot=on" in drive for drive in drives)


def test_only_this_machine_reaches_it() -> None:
    forwards = [net for net in values("-netdev", words()) if "hostfwd" in net]
    assert len(forwards) == 1
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in forwards[0]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ({}, ["tcg,thread=multi"]),
        ({"icount": True}, ["tcg,thread=single"]),
        ({"accelerator": "kvm"}, ["kvm"]),
    ],
)
def test_the_accelerator_is_the_one_asked_for(way: dict[str, Any], expected: list[str]) -> None:
    assert values("-accel", words(**way)) == expected


def test_counting_instructions_lets_no_time_pass_in_sleep() -> None:
    assert values("-icount", words(icount=True)) == ["shift=0,sleep=off"]
    assert not values("-icount", words())


def test_more_for_the_kernel_is_added() -> None:
    assert values("-append", words(more_command_line="single"))[0].endswith(" single")


def test_an_unknown_accelerator_is_a_problem() -> None:
    with pytest.raises(Problem, match="no accelerator warp"):
        words(accelerator="warp")


def test_an_unknown_computer_is_a_problem_that_names_the_known() -> None:
    with pytest.raises(Problem) as caught:
        read_computer("none-of-each")
    assert "two-of-each" in caught.value.remedy


@pytest.mark.parametrize("text", ["name = ", "name = 'x'", "functions = 3"])
def test_a_file_that_describes_no_computer_is_a_problem(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(Problem):
        read_computer(str(tmp_path / "bad.toml"))


FUNCTION = content()["functions"][0]


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ([FUNCTION, FUNCTION], "two stand at"),
        ([{**FUNCTION, "ssh": False}], "exactly one"),
        ([{**FUNCTION, "port": "00:02.0"}], "give one of at, port and switch"),
        ([{**FUNCTION, "at": "00:40.0"}], "give one of at, port and switch"),
        ([{**FUNCTION, "at": "80:01.0"}], "is on no root bus: there are 00"),
        ([{**FUNCTION, "at": "", "switch": "none"}], "there is no switch none"),
        ([{**FUNCTION, "device": "toaster"}], "none of"),
    ],
)
def test_a_wrong_function_is_refused(functions: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        computer_of(content(functions=functions))


def test_a_device_behind_a_port_stands_first_on_its_bus() -> None:
    function = {**FUNCTION, "port": "00:05.0"}
    del function["at"]
    said = qemu_arguments(computer_of(content(functions=[function])), {**FILES, "k": Path("k"),
                        "i": Path("i")}, PLACES, Way())  # fmt: skip
    port, device = values("-device", said)[-2:]
    assert port.startswith("pcie-root-port,id=port-1")
    assert "addr=05.0" in port
    assert device.startswith("e1000e,id=net,bus=port-1,addr=00.0")


def two_roots() -> list[str]:
    computer = read_computer("two-roots")
    return values("-device", qemu_arguments(computer, FILES, PLACES, Way()))


def test_a_second_root_bus_has_root_ports_of_its_own() -> None:
    said = two_roots()
    assert "pxb-pcie,id=root-80,bus_nr=128,bus=pcie.0,addr=08.0" in said
    (ethernet,) = [device for device in said if "id=ethernet-1" in device]
    port = ethernet.split(",")[2].removeprefix("bus=")
    (found,) = [device for device in said if f"id={port}," in device]
    assert found.startswith("pcie-root-port,") and found.endswith("bus=root-80,addr=01.0")


def test_what_stands_below_a_switch_has_ports_of_its_own_there() -> None:
    said = two_roots()
    (upstream,) = [number for number, device in enumerate(said) if "x3130-upstream" in device]
    assert said[upstream] == f"x3130-upstream,id=switch,bus={said[upstream - 1].split(',')[1][3:]}"
    assert said[upstream - 1].startswith("pcie-root-port,")
    below = [device for device in said if device.startswith("xio3130-downstream")]
    assert len(below) == 3 and all(device.endswith("bus=switch") for device in below)
    for name, port in zip(("ethernet-2", "nvme-2", "scsi"), below, strict=True):
        (device,) = [device for device in said if f"id={name}," in device]
        assert f"bus={port.split(',')[1][3:]}," in device


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"roots": [{"bus": "00", "at": "00:08.0"}]}, "two stand at 00"),
        ({"roots": [{"bus": "80", "at": "00:01.0"}]}, "two stand at 00:01.0"),
        ({"roots": [{"bus": "80", "at": "here"}]}, "'here' is no place"),
        ({"switches": [{"name": "one", "port": "80:01.0"}]}, "is on no root bus"),
        ({"switches": 1}, "switches must be an array"),
    ],
)
def test_a_wrong_bus_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        computer_of(content(**changes))


def test_every_computer_that_comes_along_can_be_read() -> None:
    for path in COMPUTERS.glob("*.toml"):
        assert read_computer(path.stem).name == path.stem
