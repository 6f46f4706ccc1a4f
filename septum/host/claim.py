"""How is a PCI function taken from its Linux driver, and given back?

Linux, Documentation/ABI/testing/sysfs-bus-pci: driver_override names the one driver that may
bind; drivers_probe lets the driver core choose again.
"""

from __future__ import annotations

import errno
import os

from septum.errors import HostProblem, explained
from septum.host.journal import Entry, Journal
from septum.host.processes import Process, this_process
from septum.host.users import Exclusively

VFIO_DRIVER = "vfio-pci"
_REMEDIES = {
    errno.EACCES: "run as root",
    errno.EPERM: "run as root",
    errno.EBUSY: "stop what uses it (ip link set down, umount)",
    errno.ENOENT: "septum scan: is the function still there?",
}
_NOTHING = ("", "(null)")  # what sysfs shows when no override is set


class Claim:
    """One function in vfio-pci's hands for the length of a with block.

    The journal's entry is written first, so that whatever happens somebody can restore it. What
    the keeper has kept of this instance's last life is taken over as it is; as long as the keeper
    lives, it is left to it at the end.
    """

    def __init__(
        self,
        address: str,
        journal: Journal,
        instance: str,
        root: str = "/",
        *,
        keeper: Process | None = None,
    ) -> None:
        self.address = address
        self.journal = journal
        self.instance = instance
        self.root = root
        self.keeper = keeper

    def __enter__(self) -> Claim:
        with self.journal.locked(self.address):
            self._entry = self._taken()
        return self

    def __exit__(self, *_: object) -> None:
        if self.keeper is not None and self.keeper.is_alive:
            return
        with self.journal.locked(self.address):
            self._give_back(self._entry)

    def _taken(self) -> Entry:
        """Take it, with its lock held; the entry that undoes it."""
        device = _device(self.root, self.address)
        standing = self.journal.read(self.address)
        if standing is not None and standing.is_held:
            return self._taken_over(standing)
        self._keep_virtual_functions(device)
        _require_driver(self.root)
        with (
            Exclusively(self.address, device, self.root),
            explained(f"cannot take {self.address} from Linux", _REMEDIES),
        ):
            override = _read(device, "driver_override")
            driver = driver_of(self.address, self.root)
            if standing is not None and driver == VFIO_DRIVER:
                # Left by a dead one. Its Linux driver, between two owners, would only disturb.
                driver, override = standing.driver, standing.driver_override
            entry = Entry(
                self.address,
                driver,
                "" if override in _NOTHING else override,
                this_process(),
                self.instance,
                self.keeper,
            )
            self.journal.write(entry)
            try:
                _hand_to(self.root, self.address, VFIO_DRIVER)
            except BaseException:
                self._give_back(entry)
                raise
        if driver_of(self.address, self.root) != VFIO_DRIVER:
            self._give_back(entry)
            raise HostProblem(
                f"cannot take {self.address} from Linux",
                because=f"{VFIO_DRIVER} did not accept it",
                remedy="see dmesg; is the IOMMU on? (septum doctor)",
            )
        return entry

    def _taken_over(self, standing: Entry) -> Entry:
        """What somebody has: the keeper, of this instance's last life; or it is refused."""
        is_kept = (standing.instance, standing.keeper) == (self.instance, self.keeper)
        if standing.holder.is_alive or not is_kept:
            has = "holds it" if standing.holder.is_alive else "has it, and is about to start again"
            raise HostProblem(
                f"cannot take {self.address} from Linux",
                because=f"instance {standing.instance} {has}",
                remedy=f"septum down {standing.instance}",
            )
        driver = driver_of(self.address, self.root)
        if driver != VFIO_DRIVER:
            # Linux may use it: whether it can do without was asked before the first start
            raise HostProblem(
                f"cannot take {self.address} over from the last life of {self.instance}",
                because=f"somebody gave it to {driver or 'no driver'} in between",
                remedy=f"septum up starts {self.instance} anew, and asks what Linux needs",
            )
        entry = standing._replace(holder=this_process())
        self.journal.write(entry)
        return entry

    def _keep_virtual_functions(self, device: str) -> None:
        """Without its Linux driver a physical function has no virtual ones, whoever owns them."""
        for name in os.listdir(device) if os.path.isdir(device) else ():
            if not name.startswith("virtfn"):
                continue
            virtual = os.path.basename(os.readlink(os.path.join(device, name)))
            entry = self.journal.read(virtual)
            if entry is not None and entry.is_held:
                raise HostProblem(
                    f"cannot take {self.address} from Linux",
                    because=f"instance {entry.instance} holds its virtual function {virtual}",
                    remedy=f"septum down {entry.instance}",
                )

    def _give_back(self, entry: Entry) -> None:
        restore(entry, self.root)
        self.journal.remove(self.address)


def driver_of(address: str, root: str = "/") -> str | None:
    """The driver bound to a function now."""
    try:
        return os.path.basename(os.readlink(os.path.join(_device(root, address), "driver")))
    except OSError:
        return None


def restore(entry: Entry, root: str = "/") -> bool:
    """Put a function back as the entry says it was; False when it is gone from the machine.

    HostProblem when Linux refuses, and when it agrees but the driver has not come back.
    """
    device = _device(root, entry.address)
    try:
        if os.path.isdir(device):
            _put_back(entry, device, root)
    except HostProblem:
        if os.path.isdir(device):
            raise
    return os.path.isdir(device)


def _put_back(entry: Entry, device: str, root: str) -> None:
    with explained(f"cannot give {entry.address} back to Linux", _REMEDIES):
        try:
            if entry.driver:
                _hand_to(root, entry.address, entry.driver)
            else:
                _unbind(device, entry.address)
        finally:
            # A device whose override was set keeps it; else any driver may have it again.
            _write(device, "driver_override", entry.driver_override + "\n")
    now = driver_of(entry.address, root)
    if now != entry.driver:
        raise HostProblem(
            f"cannot give {entry.address} back to Linux",
            because=f"{entry.driver or 'no driver'} had it, and {now or 'no driver'} has it now",
            remedy=_retry(entry, now),
        )


def _retry(entry: Entry, now: str | None) -> str:
    """What may bring the driver back that a function had."""
    if entry.driver is None:
        return f"see dmesg; echo {entry.address} > /sys/bus/pci/drivers/{now}/unbind"
    return f"see dmesg; modprobe {entry.driver}, then septum ps, which tries again"


def restore_abandoned(journal: Journal, root: str = "/", instance: str = "") -> list[str]:
    """Give back what dead processes left; a line for each function.

    What a living keeper has kept only when its instance is named.

    HostProblem, after trying all, when Linux would not have some back, or nobody can tell how
    it had them.
    """
    restored: list[str] = []
    failed = list(journal.damaged().values())
    for entry in journal.abandoned(instance):
        try:
            restored += _restored(journal, entry.address, root, instance)
        except HostProblem as problem:
            failed.append(problem)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise HostProblem(
            "; ".join(problem.what for problem in failed),
            because="; ".join(dict.fromkeys(problem.because for problem in failed)),
            remedy="; ".join(dict.fromkeys(problem.remedy for problem in failed)),
        )
    return restored


def _restored(journal: Journal, address: str, root: str, instance: str) -> list[str]:
    """Give one back; nothing to say when somebody else has done that, or has taken it."""
    with journal.locked(address):
        entry = journal.read(address)
        if entry is None or not entry.is_left(instance):
            return []
        is_there = restore(entry, root)
        journal.remove(address)
    return [f"{address}: " + ("given back to Linux" if is_there else "is gone from this machine")]


def _hand_to(root: str, address: str, driver: str) -> None:
    device = _device(root, address)
    if driver_of(address, root) == driver:
        return
    _write(device, "driver_override", driver + "\n")
    _unbind(device, address)
    _write(os.path.join(root, "sys/bus/pci"), "drivers_probe", address)


def _unbind(device: str, address: str) -> None:
    try:
        _write(os.path.join(device, "driver"), "unbind", address)
    except (FileNotFoundError, NotADirectoryError):
        return  # no driver has it
    except OSError as error:
        if error.errno != errno.ENODEV:  # it was unbound in the meantime
            raise


def _require_driver(root: str) -> None:
    if os.path.isdir(os.path.join(root, "sys/bus/pci/drivers", VFIO_DRIVER)):
        return
    import subprocess

    try:
        done = subprocess.run(["modprobe", VFIO_DRIVER], capture_output=True, text=True)
        why = done.stderr.strip()
    except OSError as error:
        why = str(error)
    if not os.path.isdir(os.path.join(root, "sys/bus/pci/drivers", VFIO_DRIVER)):
        raise HostProblem(
            f"Linux has no driver {VFIO_DRIVER}",
            because=why or "modprobe did not bring it",
            remedy="use a kernel built with CONFIG_VFIO_PCI (Debian's are)",
        )


def _device(root: str, address: str) -> str:
    return os.path.join(root, "sys/bus/pci/devices", address)


def _read(directory: str, name: str) -> str:
    with open(os.path.join(directory, name), encoding="ascii") as file:
        return file.read().strip()


def _write(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
        file.write(text)
