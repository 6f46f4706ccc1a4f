"""Is QEMU told what the computer's file says?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from septum.errors import Problem
from septum.lab.arguments import Places, qemu_arguments
from septum.lab.computer import COMPUTERS, Way, computer_of, read_computer

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
        ([{**FUNCTION, "port": "00:02.0"}], "give one of at, port, switch and bridge"),
        ([{**FUNCTION, "at": "00:40.0"}], "give one of at, port, switch and bridge"),
        ([{**FUNCTION, "at": "80:01.0"}], "is on no root bus: there are 00"),
        ([{**FUNCTION, "at": "", "switch": "none"}], "there is no switch none"),
        ([{**FUNCTION, "device": "toaster"}], "none of"),
        ([{**FUNCTION, "at": "", "bridge": "none"}], "there is no bridge none"),
        ([{**FUNCTION, "slot": "01.0"}], "a slot is behind a port or a bridge"),
        ([{**FUNCTION, "at": "", "port": "00:05.0", "slot": "1"}], "no slot such as"),
        ([{**FUNCTION, "acs": False}], "only a port"),
        ([{**FUNCTION, "disks": ["blank.img"]}], "takes 0 disks"),
        ([FUNCTION, {"name": "b", "device": "nvme", "at": "00:02.0", "network": "10.1.0.0/24"}],
         "takes no network"),
        ([{**FUNCTION, "at": "", "port": "00:05.0"}, {**FUNCTION, "at": "", "port": "00:05.0"}],
         "two stand at 00.0 behind 00:05.0"),
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
        ({"bridges": [{"name": "one", "at": "00:01.0"}]}, "two stand at 00:01.0"),
        ({"bridges": [{"name": "one", "at": "00:02.0", "device": "ferry"}]}, "ferry is none of"),
        ({"iommu": "best"}, "there is no iommu best"),
    ],
)
def test_a_wrong_bus_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        computer_of(content(**changes))


def cabinet() -> list[str]:
    files = {**FILES, "green.vmlinuz": Path("k")}
    return qemu_arguments(read_computer("cabinet"), files, PLACES, Way())


def device(name: str, said: list[str]) -> list[str]:
    (found,) = [one.split(",") for one in values("-device", said) if f"id={name}," in f"{one},"]
    return found


def test_functions_of_one_device_say_so_in_the_first() -> None:
    said = cabinet()
    assert "multifunction=on" in device("uhci-1", said)
    assert "multifunction=on" not in device("uhci-2", said) + device("ehci", said)
    first, second = device("igb-0", said), device("igb-1", said)
    assert first[2] == second[2] and first[3:5] == ["addr=00.0", "multifunction=on"]
    assert second[3] == "addr=00.1" and "multifunction=on" not in second
    ports = [one for one in values("-device", said) if one.startswith("pcie-root-port")]
    of_one_device = [one for one in ports if "addr=08.0" in one or "addr=08.1" in one]
    assert all(one.endswith("disable-acs=on") for one in of_one_device)
    assert ["multifunction=on" in one for one in of_one_device] == [True, False]
    assert not any("disable-acs" in one for one in ports if one not in of_one_device)


def test_what_is_behind_a_bridge_comes_after_it() -> None:
    said = values("-device", cabinet())
    places = [number for number, one in enumerate(said) if "id=bridge" in one]
    behind = [number for number, one in enumerate(said) if "bus=bridge," in one]
    assert len(places) == 1 and len(behind) == 2 and max(places) < min(behind)
    (old,) = [one for one in said if "id=old-bridge" in one]
    assert old.startswith("pci-bridge,") and "chassis_nr=" in old


def test_a_disk_is_of_the_kind_that_its_controller_takes() -> None:
    said = cabinet()
    disks = {drive.split(",")[1][3:] for drive in values("-drive", said)}
    taken = [one for one in values("-device", said) if "drive=" in one]
    assert {one.partition("drive=")[2].partition(",")[0] for one in taken} == disks
    kinds = {one.partition("drive=")[2].partition(",")[0]: one.split(",")[0] for one in taken}
    assert kinds["ahci-0"] == "ide-hd" and kinds["xhci-0"] == "usb-storage"
    assert kinds["virtio-blk-0"] == "virtio-blk-pci" and kinds["sdhci-0"] == "sd-card"


def test_an_iommu_of_amd_s() -> None:
    said = qemu_arguments(read_computer("amd"), FILES, PLACES, Way())
    found = [one for one in values("-device", said) if "iommu" in one]
    assert found == ["amd-iommu,intremap=on,pt=off"]


def test_the_host_is_told_its_own_card() -> None:
    assert "septum-lab.ethernet=52:54:00:00:00:01" in values("-append", words())[0].split()


def test_every_computer_that_comes_along_can_be_read() -> None:
    for path in COMPUTERS.glob("*.toml"):
        assert read_computer(path.stem).name == path.stem
