"""What is on the lab computer's disks?

host    stock Debian 12 with the backports' kernel: the Linux that Septum runs on
blue    stock Debian 12 with its own kernel and full userland: an instance's disk
green   the host's kernel with a small initramfs: an instance without a root disk
Septum's own disk, which changes with every change of the code, is in installed.py.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from septum.engine.kvm.kernel import prepared
from septum.errors import HostProblem
from septum.lab import cpio, packages
from septum.lab.cache import built, cache_folder, locked
from septum.lab.command import command
from septum.lab.modules import kernel_release, module_entries
from septum.lab.progress import Progress
from septum.units import MiB

SUITE = "bookworm"
BACKPORTS = f"{SUITE}-backports"
FILES = Path(__file__).parent / "files"
GUEST_FILES = "var/lib/septum"
UNPACKED_FILES = "root/.cache/septum/kernels"  # where Septum, as root, keeps unpacked kernels
GUEST_TIME = 1_700_000_000  # their files' modification time, by which Septum knows them again
BLANK_SIZE = 256 * MiB
SPARE_SIZE = 512 * MiB


class Tree(NamedTuple):
    """A Debian root file system as mmdebstrap makes it."""

    name: str
    packages: tuple[str, ...]
    initrd_modules: tuple[str, ...]


class Placed(NamedTuple):
    """A file of ours in a Debian tree: from our files, or `text` itself, or a link."""

    destination: str
    source: str = ""
    text: str = ""
    permissions: int = 0o644
    link_to: str = ""


class Disk(NamedTuple):
    """What is changed in a tree before it becomes a disk."""

    name: str
    placed: tuple[Placed, ...]
    enabled: tuple[str, ...]
    masked: tuple[str, ...]


COMMON = (
    *("systemd", "systemd-sysv", "udev", "login", "kmod", "procps"),
    *("iproute2", "iputils-ping", "pciutils"),
)
BLUE_TREE = Tree(
    "blue-tree",
    # dbus, as every installed Debian has it: by that, who hears the power button tells systemd
    (*COMMON, "lz4", "busybox-static", "dbus", "linux-image-amd64"),
    ("sym53c8xx", "nvme", "sd_mod", "ext4", "crc32c_generic", "crc32c_intel", "e1000e"),
)
HOST_TREE = Tree(
    "host-tree",
    (
        *(*COMMON, "lz4", "busybox-static", "openssh-server", "python3", "python3-venv"),
        *("strace", "qemu-system-x86", f"linux-image-amd64/{BACKPORTS}"),
        *("dbus", "libpam-systemd"),
    ),
    ("nvme", "ext4"),
)

# What a short-lived lab does not need and would wait for.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-tmpfiles-clean.timer"),
    *("getty@tty1.service", "systemd-pstore.service", "systemd-random-seed.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-journal-flush.service", "systemd-journal-catalog-update.service"),
    *("systemd-hwdb-update.service", "systemd-update-done.service", "ldconfig.service"),
    *("systemd-networkd-wait-online.service", "systemd-binfmt.service", "dev-mqueue.mount"),
    *("systemd-sysusers.service", "systemd-rfkill.socket", "getty-static.service"),
    *("modprobe@loop.service", "modprobe@dm_mod.service", "modprobe@fuse.service"),
    *("modprobe@configfs.service", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount"),
    *("modprobe@drm.service", "modprobe@efi_pstore.service", "systemd-sysctl.service"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-remount-fs.service"),
)
# What keeps account of logins, and of who may put the computer to sleep: for those who test that
LOGINS = ("dbus.service", "dbus.socket", "systemd-logind.service")
GENERATORS = (
    *("systemd-bless-boot", "systemd-cryptsetup", "systemd-debug", "systemd-gpt-auto"),
    *("systemd-hibernate-resume", "systemd-integritysetup", "systemd-rc-local"),
    *("systemd-system-update", "systemd-sysv", "systemd-veritysetup"),
)
NETWORKD = (
    "multi-user.target.wants/systemd-networkd.service",
    "sockets.target.wants/systemd-networkd.socket",
)
BLUE_DISK = Disk(
    "blue",
    (
        Placed("etc/hostname", text="blue\n"),
        Placed("etc/fstab", "blue-fstab"),
        Placed("etc/resolv.conf"),
        Placed("etc/systemd/network/10-ethernet.network", "blue-network"),
        Placed("etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf", "blue-autologin"),
        Placed("etc/modprobe.d/septum-quick.conf", "quick-modprobe"),
        # A shell that is spoken to by programs should not announce pasting
        Placed("etc/inputrc", text="set enable-bracketed-paste off\n"),
    ),
    NETWORKD,
    MASKED,
)
HOST_DISK = Disk(
    "host",
    (
        Placed("etc/hostname", text="lab\n"),
        Placed("etc/fstab", text="# both disks are mounted by the initramfs\n"),
        Placed("etc/resolv.conf"),
        Placed("etc/systemd/system/ssh.service.d/ready.conf", "host-ssh-ready"),
        Placed("opt/septum/.keep"),
        Placed("etc/ssh/sshd_config.d/septum.conf", "host-sshd"),
        Placed("etc/modprobe.d/septum-host.conf", "host-modprobe"),
        Placed("etc/modprobe.d/septum-quick.conf", "quick-modprobe"),
        Placed("usr/local/bin/septum", link_to="/opt/septum/bin/septum"),
    ),
    (),
    (*MASKED, "serial-getty@ttyS0.service", "systemd-modules-load.service", *LOGINS),
)
# The Ethernet driver comes this early so that its card is there when the network is set up
HOST_INITRD_MODULES = ("crc32c_generic", "nvme", "ext4", "e1000e")
GREEN_MODULES = ("sym53c8xx", "ahci", "nvme", "sd_mod", "e1000e", "evdev", "button")
GREEN_PROGRAMS = ("usr/bin/lspci", "usr/bin/setpci")


class Images(NamedTuple):
    """Where everything that was built lies; `files` is keyed by the computer file's names."""

    files: dict[str, Path]
    host_tree: Path
    key: Path
    known_hosts: Path


def build(progress: Progress) -> Images:
    """Build what is not built yet. Needs root and the packages of packages.py."""
    blue_tree = tree(BLUE_TREE, progress)
    host_tree = tree(HOST_TREE, progress)
    blue = disk(BLUE_DISK, blue_tree, (), "blue's disk", progress)
    green = green_files(host_tree, progress)
    key = ssh_key()
    kernels = sorted([*blue.glob("blue.[vi]*"), *green.glob("green.*")])
    guests = tuple((path.name, path) for path in kernels)
    placed = (
        *HOST_DISK.placed,
        Placed("root/.ssh/authorized_keys", text=key.with_suffix(".pub").read_text()),
    )
    host = disk(HOST_DISK._replace(placed=placed), host_tree, guests, "the host's disk", progress)
    files = {path.name: path for folder in (blue, green, host) for path in folder.iterdir()}
    return Images(files, host_tree / "root", key, host / "known_hosts")


def tree(recipe: Tree, progress: Progress) -> Path:
    """A folder with the Debian tree in `root`, made by mmdebstrap."""

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise HostProblem("Debian trees can be made by root only", remedy="run it as root")
        archives = folder / "sources.list"
        archives.write_text("\n".join(archive_lines()) + "\n")
        hook = folder / "before-initramfs"
        hook.write_text(initramfs_hook(recipe.initrd_modules))
        hook.chmod(0o755)
        command(
            [
                *("mmdebstrap", "--mode=root", "--variant=minbase", *apt_options()),
                *(f"--include={','.join(recipe.packages)}", f"--essential-hook={hook}"),
                *(SUITE, folder / "root", archives),
            ],
            what=f"{recipe.name} cannot be made",
            remedy="see that this machine reaches its Debian archive (apt-get update)",
            log=folder / "log",
        )

    what = f"building {recipe.name.replace('-', ' ')} from Debian packages (about a minute)"
    return built(recipe.name, (recipe, initramfs_hook(())), make, what, progress)


def archive_lines() -> list[str]:
    """The suites the images are made of, from the archives this machine's apt uses."""
    lines: list[str] = []
    here = packages.codename()
    for source in packages.sources():
        for suite in source.suites:
            if suite.startswith(here) and suite != f"{here}-backports":
                one = source._replace(suites=(suite.replace(here, SUITE),), components=("main",))
                lines += one.lines()
                if suite == here:
                    lines += one._replace(suites=(BACKPORTS,)).lines()
    if not lines:
        raise HostProblem(f"apt here knows no archive of {here}", remedy="see /etc/apt")
    return list(dict.fromkeys(lines))


def apt_options() -> list[str]:
    """What this machine's apt is told of fetching (a proxy, say), for the images' apt."""
    said = subprocess.run(
        ["apt-config", "dump", "--format", "%f \"%v\";%n", "Acquire"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    wanted = ("Acquire::Check-", "Acquire::http", "Acquire::https", "Acquire::Retries")
    return [f"--aptopt={line}" for line in said.splitlines() if line.startswith(wanted)]


def initramfs_hook(modules: tuple[str, ...]) -> str:
    """A script for mmdebstrap: a small initrd, before the kernel's package makes it."""
    names = "\\n".join(modules)
    return f"""#!/bin/sh
set -e
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\\nCOMPRESS=lz4\\nRESUME=none\\nFSTYPE=ext4\\n' \\
    > "$1/etc/initramfs-tools/conf.d/septum"
printf '{names}\\n' > "$1/usr/share/initramfs-tools/modules.d/septum"
"""


def disk(
    recipe: Disk,
    tree_folder: Path,
    guests: tuple[tuple[str, Path], ...],
    what: str,
    progress: Progress,
) -> Path:
    """A folder with NAME.ext4, NAME.vmlinuz and NAME.initrd made from a tree."""
    contents = tuple(
        (item, (FILES / item.source).read_bytes() if item.source else b"") for item in recipe.placed
    )
    first_process = tuple((FILES / name).read_bytes() for name in ("host-init", "host-own"))
    known = (
        *(recipe, GENERATORS, tree_folder.name, contents, first_process),
        *(str(guests), GUEST_TIME, UNPACKED_FILES),
    )

    def make(folder: Path) -> None:
        root = folder / "root"
        # Hard links: the tree is never written through them, files are replaced
        command(["cp", "-al", tree_folder / "root", root], what="the tree cannot be copied")
        apply(recipe, root)
        for name, path in guests:
            place(root, Placed(f"{GUEST_FILES}/{name}"), path.read_bytes())
            os.utime(root / GUEST_FILES / name, (GUEST_TIME, GUEST_TIME))
            if name.endswith(".vmlinuz"):
                # Unpacking takes the lab half a minute, and us a second
                prepared(str(root / GUEST_FILES / name), str(root / UNPACKED_FILES))
        release = kernel_release(root)
        shutil.copy(root / f"boot/vmlinuz-{release}", folder / f"{recipe.name}.vmlinuz")
        initrd = folder / f"{recipe.name}.initrd"
        if recipe.name == "host":
            init, own = first_process
            entries = [cpio.file("init", init, 0o755), cpio.file("bin/own", own, 0o755)]
            entries += [*busybox(root), cpio.folder("root")]
            entries += [cpio.folder(name) for name in ("dev", "proc", "sys")]
            initrd.write_bytes(cpio.packed([*entries, *module_entries(root, HOST_INITRD_MODULES)]))
            public = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
            (folder / "known_hosts").write_text(f"septum-lab {public[0]} {public[1]}\n")
        else:
            shutil.copy(root / f"boot/initrd.img-{release}", initrd)
        file_system(root, folder / f"{recipe.name}.ext4", spare=SPARE_SIZE)
        shutil.rmtree(root)

    return built(recipe.name, known, make, f"building {what}", progress)


def apply(recipe: Disk, root: Path) -> None:
    """Place, enable and mask in a tree, as `systemctl` would, by symbolic links."""
    for item in recipe.placed:
        if item.link_to:
            symlink(root / item.destination, item.link_to)
            continue
        content = (FILES / item.source).read_bytes() if item.source else item.text.encode()
        place(root, item, content)
    # A fixed identity: an empty one makes systemd take each boot for the first
    identity = hashlib.sha256(recipe.name.encode()).hexdigest()[:32]
    place(root, Placed("etc/machine-id", permissions=0o444), f"{identity}\n".encode())
    units = root / "etc/systemd/system"
    for name in recipe.enabled:
        symlink(units / name, f"/lib/systemd/system/{name.rpartition('/')[2]}")
    for name in recipe.masked:
        symlink(units / name, "/dev/null")
    for name in GENERATORS:
        symlink(root / f"etc/systemd/system-generators/{name}-generator", "/dev/null")
    symlink(units / "default.target", "/lib/systemd/system/multi-user.target")


def place(root: Path, item: Placed, content: bytes) -> None:
    path = root / item.destination
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(item.permissions)


def symlink(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def file_system(folder: Path, image: Path, *, spare: int) -> None:
    """Write a folder as an ext4 file system of 4 KiB blocks, with `spare` bytes free."""
    used = int(command(["du", "-sxB1", folder], what="a folder cannot be measured").split()[0])
    size = (used + used // 8 + spare) // MiB
    # Lazy set-up would be finished by the kernel at the first mount, in everyone's time
    command(
        [
            *("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-m", "0", "-d", folder),
            *("-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"),
            *(image, f"{size}M"),
        ],
        what=f"{image.name} cannot be made",
    )


def green_files(host_tree: Path, progress: Progress) -> Path:
    """A folder with green.vmlinuz, green.initrd and blank.img."""
    root = host_tree / "root"
    scripts = tuple((name, (FILES / f"green-{name}").read_bytes()) for name in ("init", "lease"))

    def make(folder: Path) -> None:
        release = kernel_release(root)
        shutil.copy(root / f"boot/vmlinuz-{release}", folder / "green.vmlinuz")
        init, lease = (content for _, content in scripts)
        entries = [cpio.file("init", init, 0o755), cpio.file("bin/lease", lease, 0o755)]
        entries += [cpio.folder(name) for name in ("dev", "proc", "sys", "root")]
        entries += [*busybox(root), *programs(root), *module_entries(root, GREEN_MODULES)]
        (folder / "green.initrd").write_bytes(cpio.packed(entries))
        with (folder / "blank.img").open("wb") as file:
            file.truncate(BLANK_SIZE)

    known = (host_tree.name, scripts, GREEN_MODULES, GREEN_PROGRAMS, BLANK_SIZE)
    return built("green", known, make, "building green's initramfs", progress)


def busybox(root: Path) -> list[cpio.Entry]:
    return [cpio.file("bin/busybox", (root / "bin/busybox").read_bytes(), 0o755)]


def programs(root: Path) -> list[cpio.Entry]:
    """Dynamically linked programs of the tree with the libraries they need."""
    entries: dict[str, cpio.Entry] = {}
    for program in GREEN_PROGRAMS:
        said = command(["chroot", root, "ldd", f"/{program}"], what=f"{program} has no libraries")
        libraries = [word[1:] for word in said.split() if word.startswith("/")]
        for path in [program, *libraries]:
            entries[path] = cpio.file(path, (root / path).resolve().read_bytes(), 0o755)
    return list(entries.values())


def ssh_key() -> Path:
    """The private key that opens every lab of this user; its public half beside it."""
    path = cache_folder() / "key"
    with locked("key"):
        if not path.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "septum-lab", "-f"]
            command([*words, path], what="no key for the lab can be made")
    return path
