"""Is a function taken from Linux as the driver core wants it, and always given back?"""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from septum.errors import HostProblem
from septum.host import claim as module
from septum.host.claim import Claim, driver_of, restore, restore_abandoned
from septum.host.journal import Entry, Journal
from septum.host.processes import Process, process, this_process

ETHERNET, SCSI = "0000:01:00.0", "0000:00:04.0"
DEAD = Process(4_000_000, 1)


class DriverCore:
    """What plain files cannot do: Linux's drivers/pci/pci-sysfs.c behind four files."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.refuses: dict[str, int] = {}  # a file's name, or driver: the errno a write gets
        self.natural: dict[str, str | None] = {}
        self.leaves = ""  # pulled out when its driver is to come back
        self.writes: list[tuple[str, str]] = []
        for driver in ("vfio-pci", "e1000e", "sym53c8xx", "igbvf"):
            (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
        monkeypatch.setattr(module, "open", self.open, raising=False)

    def add(self, address: str, driver: str | None, override: str = "(null)") -> None:
        device = self.root / "sys/bus/pci/devices" / address
        device.mkdir(parents=True)
        (device / "driver_override").write_text(override + "\n")
        self.natural[address] = driver
        self._bind(address, driver)

    def driver(self, address: str) -> str | None:
        return driver_of(address, str(self.root))

    def override(self, address: str) -> str:
        return (self._device(address) / "driver_override").read_text().strip()

    def _device(self, address: str) -> Path:
        return self.root / "sys/bus/pci/devices" / address

    def _bind(self, address: str, driver: str | None) -> None:
        if driver is not None:
            (self._device(address) / "driver").symlink_to(
                self.root / "sys/bus/pci/drivers" / driver
            )

    def open(self, path: str, mode: str = "r", **rest: Any) -> Any:
        if "w" not in mode:
            return open(path, mode, **rest)
        if not os.path.isdir(os.path.dirname(path)):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return _Attribute(self, path)

    def written(self, path: str, text: str) -> None:
        name = os.path.basename(path)
        self.writes.append((name, text.strip()))
        if name in self.refuses:
            raise OSError(self.refuses[name], "refused")
        if name == "driver_override":
            Path(path).write_text(text if text.strip() else "(null)\n")
        elif name == "unbind":
            (self._device(text.strip()) / "driver").unlink()
        elif name == "drivers_probe":
            self._probe(text.strip())

    def _probe(self, address: str) -> None:
        if self.leaves == address:
            shutil.rmtree(self._device(address))
            return
        if self.driver(address) is not None:
            return
        override = self.override(address)
        driver = self.natural[address] if override == "(null)" else override
        if driver not in self.refuses:
            self._bind(address, driver)


class _Attribute(io.StringIO):
    """A file of sysfs: what is written takes effect, or is refused, when it is closed."""

    def __init__(self, core: DriverCore, path: str) -> None:
        super().__init__()
        self.core = core
        self.path = path

    def __exit__(self, *_: Any) -> None:
        self.core.written(self.path, self.getvalue())


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DriverCore:
    core = DriverCore(tmp_path / "root", monkeypatch)
    core.add(ETHERNET, "e1000e")
    core.add(SCSI, "sym53c8xx")
    return core


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "claims"))


def claim(core: DriverCore, journal: Journal, address: str = ETHERNET) -> Claim:
    return Claim(address, journal, "blue", str(core.root))


def test_taken_and_given_back(core: DriverCore, journal: Journal) -> None:
    with claim(core, journal):
        assert core.driver(ETHERNET) == "vfio-pci"
        entry = journal.read(ETHERNET)
        assert entry == Entry(ETHERNET, "e1000e", "", this_process(), "blue")
        assert core.driver(SCSI) == "sym53c8xx"
    assert core.driver(ETHERNET) == "e1000e"
    assert core.override(ETHERNET) == "(null)", "any driver may have it again"
    assert journal.entries() == []


def test_one_without_a_driver_has_none_again(core: DriverCore, journal: Journal) -> None:
    core.add("0000:03:00.0", None)
    with claim(core, journal, "0000:03:00.0"):
        assert core.driver("0000:03:00.0") == "vfio-pci"
    assert core.driver("0000:03:00.0") is None
    assert core.override("0000:03:00.0") == "(null)"


def test_an_override_of_the_administrators_is_kept(core: DriverCore, journal: Journal) -> None:
    core.add("0000:03:00.0", "e1000e", override="e1000e")
    with claim(core, journal, "0000:03:00.0"):
        pass
    assert core.override("0000:03:00.0") == "e1000e"
    core.add("0000:04:00.0", "vfio-pci", override="vfio-pci")
    with claim(core, journal, "0000:04:00.0"):
        assert core.driver("0000:04:00.0") == "vfio-pci"
    assert (core.driver("0000:04:00.0"), core.override("0000:04:00.0")) == ("vfio-pci",) * 2


def test_given_back_when_the_block_fails(core: DriverCore, journal: Journal) -> None:
    with pytest.raises(KeyboardInterrupt), claim(core, journal):
        raise KeyboardInterrupt
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []


def test_given_back_when_an_earlier_step_of_leaving_fails(
    core: DriverCore, journal: Journal
) -> None:
    def fails() -> None:
        raise HostProblem("the interrupts were not disconnected")

    with pytest.raises(HostProblem, match="interrupts"), ExitStack() as held:
        held.enter_context(claim(core, journal))
        held.enter_context(claim(core, journal, SCSI))
        held.callback(fails)
    assert (core.driver(ETHERNET), core.driver(SCSI)) == ("e1000e", "sym53c8xx")
    assert journal.entries() == []


def test_vfio_may_not_want_it(core: DriverCore, journal: Journal) -> None:
    core.refuses["vfio-pci"] = errno.EINVAL
    with pytest.raises(HostProblem, match="cannot take 0000:01:00") as told, claim(core, journal):
        pass
    assert "vfio-pci did not accept it" in str(told.value)
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []


def test_linux_may_refuse_to_unbind(core: DriverCore, journal: Journal) -> None:
    core.refuses["unbind"] = errno.EBUSY
    with pytest.raises(HostProblem) as told, claim(core, journal):
        pass
    assert "stop what uses it" in str(told.value)
    assert core.driver(ETHERNET) == "e1000e" and core.override(ETHERNET) == "(null)"
    assert journal.entries() == []


def test_one_that_is_not_there(core: DriverCore, journal: Journal) -> None:
    with pytest.raises(HostProblem) as told, claim(core, journal, "0000:09:00.0"):
        pass
    assert "septum scan" in str(told.value) and journal.entries() == []


def test_what_lives_keeps_what_it_holds(core: DriverCore, journal: Journal) -> None:
    journal.write(Entry(ETHERNET, "e1000e", "", this_process(), "green"))
    with pytest.raises(HostProblem) as told, claim(core, journal):
        pass
    assert "instance green holds it" in str(told.value)
    assert core.writes == []


def test_what_a_dead_one_held_is_taken_over_as_linux_had_it(
    core: DriverCore, journal: Journal
) -> None:
    """Its Linux driver does not have it in between, whatever the dead one left in it."""
    take(core, journal, ETHERNET)
    with claim(core, journal):
        entry = journal.read(ETHERNET)
        assert entry == Entry(ETHERNET, "e1000e", "", this_process(), "blue")
        assert core.writes == []
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []
    assert core.override(ETHERNET) == "(null)"


def test_a_driver_that_somebody_bound_since_is_the_one_that_gets_it_back(
    core: DriverCore, journal: Journal
) -> None:
    journal.write(Entry(ETHERNET, "igb", "", DEAD, "green"))
    with claim(core, journal):
        entry = journal.read(ETHERNET)
        assert entry is not None and entry.driver == "e1000e"
    assert core.driver(ETHERNET) == "e1000e"


def test_one_that_left_the_machine_needs_no_giving_back(
    core: DriverCore, journal: Journal
) -> None:
    journal.write(Entry("0000:09:00.0", "e1000e", "", DEAD, "green"))
    lines = restore_abandoned(journal, str(core.root))
    assert lines == ["0000:09:00.0: is gone from this machine"]
    assert core.writes == [] and journal.entries() == []


def test_one_that_leaves_while_it_is_given_back(core: DriverCore) -> None:
    core.leaves = ETHERNET
    core.written("unbind", ETHERNET)
    assert not restore(Entry(ETHERNET, "e1000e", "", DEAD, "green"), str(core.root))


def test_two_cannot_take_one(core: DriverCore, journal: Journal) -> None:
    """Looking into the journal and writing into it is one step: of many, one has it."""
    got: list[str] = []
    refused: list[str] = []
    gate = threading.Barrier(8)

    def rush(name: str) -> None:
        gate.wait()
        try:
            with Claim(ETHERNET, journal, name, str(core.root)):
                got.append(name)
                gate.wait()
        except HostProblem as problem:
            refused.append(problem.because)
            gate.wait()

    threads = [threading.Thread(target=rush, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1 and refused == [f"instance {got[0]} holds it"] * 7
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []


def test_one_that_is_being_given_back_is_waited_for(core: DriverCore, journal: Journal) -> None:
    with journal.locked(ETHERNET):
        with pytest.raises(HostProblem, match="by somebody else"), journal.locked(ETHERNET, 0.05):
            pass
        with journal.locked(SCSI):
            pass  # each function has a lock of its own


def test_who_gives_back_looks_again_once_it_is_alone(core: DriverCore, journal: Journal) -> None:
    """Another process took the function between the list of what the dead left and its turn."""
    take(core, journal, ETHERNET)
    (entry,) = journal.abandoned()
    journal.abandoned = lambda instance: [entry]  # type: ignore[method-assign]
    journal.write(entry._replace(holder=this_process(), instance="green"))
    assert restore_abandoned(journal, str(core.root)) == []
    assert core.driver(ETHERNET) == "vfio-pci" and core.writes == []


def test_one_whose_disk_is_in_use_is_not_touched(
    core: DriverCore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy:
        def __init__(self, address: str, device: str, root: str) -> None:
            self.address = address

        def __enter__(self) -> None:
            raise HostProblem(f"cannot take {self.address} from Linux", because="it is mounted")

        def __exit__(self, *_: object) -> None:
            raise AssertionError("never entered")

    monkeypatch.setattr(module, "Exclusively", Busy)
    with pytest.raises(HostProblem, match="it is mounted"), claim(core, journal, SCSI):
        pass
    assert core.writes == [] and journal.entries() == []
    assert core.driver(SCSI) == "sym53c8xx"


def test_a_physical_function_stays_while_somebody_holds_a_virtual_one(
    core: DriverCore, journal: Journal
) -> None:
    virtual = "0000:01:10.0"
    core.add(virtual, "igbvf")
    (core._device(ETHERNET) / "virtfn0").symlink_to(f"../{virtual}")
    with claim(core, journal, virtual):
        with pytest.raises(HostProblem) as told, claim(core, journal):
            pass
        assert "holds its virtual function 0000:01:10.0" in told.value.because
        assert core.driver(ETHERNET) == "e1000e" and journal.read(ETHERNET) is None
    with claim(core, journal):
        assert core.driver(ETHERNET) == "vfio-pci"


def test_a_damaged_entry_is_said_and_nothing_is_taken(core: DriverCore, journal: Journal) -> None:
    take(core, journal, SCSI)
    Path(journal.path(ETHERNET)).write_text("{")
    with pytest.raises(HostProblem, match="nobody can tell") as told, claim(core, journal):
        pass
    assert "is damaged" in told.value.because and "rm " in told.value.remedy
    with pytest.raises(HostProblem, match="nobody can tell"):
        restore_abandoned(journal, str(core.root))
    assert core.driver(SCSI) == "sym53c8xx", "the others are given back all the same"
    assert core.driver(ETHERNET) == "e1000e"
    assert os.path.exists(journal.path(ETHERNET))


def take(core: DriverCore, journal: Journal, *addresses: str) -> None:
    """As a process that died had left them."""
    for address in addresses:
        with claim(core, journal, address):
            entry = journal.read(address)
            assert entry is not None
        journal.write(entry._replace(holder=DEAD))
        device = core._device(address)
        (device / "driver").unlink()
        (device / "driver_override").write_text("vfio-pci\n")
        core._bind(address, "vfio-pci")
    core.writes.clear()


def test_all_that_the_dead_left_is_given_back(core: DriverCore, journal: Journal) -> None:
    take(core, journal, ETHERNET, SCSI)
    core.add("0000:03:00.0", "vfio-pci")
    journal.write(Entry("0000:03:00.0", "e1000e", "", this_process(), "alive"))
    assert restore_abandoned(journal, str(core.root)) == [
        f"{SCSI}: given back to Linux",
        f"{ETHERNET}: given back to Linux",
    ]
    assert (core.driver(ETHERNET), core.driver(SCSI)) == ("e1000e", "sym53c8xx")
    assert core.driver("0000:03:00.0") == "vfio-pci"
    assert [entry.instance for entry in journal.entries()] == ["alive"]


def test_one_that_cannot_be_given_back_does_not_keep_the_others(
    core: DriverCore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(core, journal, SCSI, ETHERNET)
    hand_to = module._hand_to

    def stubborn(root: str, address: str, driver: str) -> None:
        if address == SCSI:
            raise OSError(errno.EBUSY, "busy")
        hand_to(root, address, driver)

    monkeypatch.setattr(module, "_hand_to", stubborn)
    with pytest.raises(HostProblem) as told:
        restore_abandoned(journal, str(core.root))
    assert told.value.what == f"cannot give {SCSI} back to Linux"
    assert "busy" in told.value.because and told.value.remedy
    assert core.driver(ETHERNET) == "e1000e"
    assert [entry.address for entry in journal.entries()] == [SCSI], "it can be tried again"
    assert core.override(SCSI) == "(null)", "it may at least be bound by hand"


def test_linux_may_take_it_and_bind_no_driver(core: DriverCore, journal: Journal) -> None:
    """Every write succeeds, and the driver is not back: the entry stays, and can be tried again."""
    take(core, journal, ETHERNET)
    core.refuses["e1000e"] = errno.EINVAL
    with pytest.raises(HostProblem) as told:
        restore_abandoned(journal, str(core.root))
    assert told.value.because == "e1000e had it, and no driver has it now"
    assert "modprobe e1000e" in told.value.remedy
    assert [entry.address for entry in journal.left_by("blue")] == [ETHERNET]
    assert journal.left_by("green") == []
    core.refuses.clear()
    assert restore_abandoned(journal, str(core.root)) == [f"{ETHERNET}: given back to Linux"]
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []


def test_another_driver_may_have_it_now(core: DriverCore, journal: Journal) -> None:
    with pytest.raises(HostProblem) as told, claim(core, journal):
        core.refuses["unbind"] = errno.ENODEV  # vfio-pci does not let go, and says nothing
    assert "e1000e had it, and vfio-pci has it now" in told.value.because
    assert journal.read(ETHERNET) is not None


# ---- between two lives


def a_life(core: DriverCore, journal: Journal, name: str = "blue") -> None:
    """A process of an instance that this one keeps has come and gone."""
    with Claim(ETHERNET, journal, name, str(core.root), keeper=this_process()):
        entry = journal.read(ETHERNET)
        assert entry is not None and entry.holder == this_process()
    journal.write(entry._replace(holder=DEAD))


def test_a_keeper_is_left_what_was_taken(core: DriverCore, journal: Journal) -> None:
    a_life(core, journal)
    assert core.driver(ETHERNET) == "vfio-pci"
    entry = journal.read(ETHERNET)
    assert entry == Entry(ETHERNET, "e1000e", "", DEAD, "blue", this_process())
    assert entry.is_held and journal.unreturned() == [] and journal.left_by("blue") == []
    core.writes.clear()
    assert restore_abandoned(journal, str(core.root)) == []
    assert restore_abandoned(journal, str(core.root), "green") == [] and core.writes == []


def test_the_next_life_takes_it_over_and_linux_sees_nothing(
    core: DriverCore, journal: Journal
) -> None:
    a_life(core, journal)
    core.writes.clear()
    for _ in range(3):
        a_life(core, journal)
    assert core.writes == [] and core.driver(ETHERNET) == "vfio-pci"
    (entry,) = journal.entries()
    assert entry.driver == "e1000e", "as Linux had it before the first"
    assert restore_abandoned(journal, str(core.root), "blue") == [
        f"{ETHERNET}: given back to Linux"
    ]
    assert core.driver(ETHERNET) == "e1000e" and core.override(ETHERNET) == "(null)"


def test_nobody_else_has_what_is_kept(core: DriverCore, journal: Journal) -> None:
    a_life(core, journal)
    core.writes.clear()
    for other in (
        Claim(ETHERNET, journal, "green", str(core.root), keeper=this_process()),
        Claim(ETHERNET, journal, "blue", str(core.root)),
        Claim(ETHERNET, journal, "blue", str(core.root), keeper=process(1)),
    ):
        with pytest.raises(HostProblem, match="cannot take") as told, other:
            pass
        assert "about to start again" in told.value.because
    assert core.writes == [] and core.driver(ETHERNET) == "vfio-pci"


def test_what_somebody_else_bound_in_between_is_not_taken_again(
    core: DriverCore, journal: Journal
) -> None:
    """Linux may use it by now: only a first start asks whether it can do without."""
    a_life(core, journal)
    core.written("unbind", ETHERNET)
    core.written(str(core._device(ETHERNET) / "driver_override"), "e1000e")
    core.written("drivers_probe", ETHERNET)
    again = Claim(ETHERNET, journal, "blue", str(core.root), keeper=this_process())
    with pytest.raises(HostProblem, match=r"take 0000:01:00\.0 over") as told, again:
        pass
    assert "e1000e in between" in told.value.because and "septum up" in told.value.remedy
    assert restore_abandoned(journal, str(core.root), "blue") != []
    assert core.driver(ETHERNET) == "e1000e" and journal.entries() == []


def test_what_is_kept_no_more_is_linuxs(core: DriverCore, journal: Journal) -> None:
    a_life(core, journal)
    journal.release("green", this_process())
    journal.release("blue", process(1))
    assert journal.unreturned() == []
    journal.release("blue", this_process())
    assert journal.unreturned() == [ETHERNET]
    assert len(restore_abandoned(journal, str(core.root))) == 1


def test_what_a_dead_keeper_kept_is_linuxs(core: DriverCore, journal: Journal) -> None:
    a_life(core, journal)
    (entry,) = journal.entries()
    journal.write(entry._replace(keeper=DEAD))
    assert journal.unreturned() == [ETHERNET]
    with Claim(ETHERNET, journal, "blue", str(core.root), keeper=DEAD):
        core.writes.clear()
    assert core.driver(ETHERNET) == "e1000e", "nobody is left who would give it back"
    assert journal.entries() == []


def test_a_kernel_without_the_driver(
    core: DriverCore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (core.root / "sys/bus/pci/drivers/vfio-pci").rmdir()
    done = subprocess.CompletedProcess([], 1, "", "modprobe: FATAL: Module vfio-pci not found\n")
    monkeypatch.setattr(subprocess, "run", lambda *words, **how: done)
    with pytest.raises(HostProblem) as told, claim(core, journal):
        pass
    assert "not found" in told.value.because and "CONFIG_VFIO_PCI" in told.value.remedy

    def none(*words: object, **how: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "no modprobe")

    monkeypatch.setattr(subprocess, "run", none)
    with pytest.raises(HostProblem) as told, claim(core, journal):
        pass
    assert "modprobe" in told.value.because


def test_the_dead_process_of_these_tests_is_dead() -> None:
    assert not DEAD.is_alive and process(os.getpid()).is_alive
