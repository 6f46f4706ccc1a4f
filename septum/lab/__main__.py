"""What is typed to use a lab by hand: python -m septum.lab ..."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from septum.errors import Problem
from septum.lab import images, installed, packages
from septum.lab.computer import ACCELERATORS, USUAL, Way, read_computer
from septum.lab.progress import Progress
from septum.lab.run import Lab

SITE_PACKAGES = f"/{installed.PLACE}/lib/python{installed.LAB_PYTHON}/site-packages"
INTERRUPTED = 130


def main() -> int:
    """Do what the command line says; the exit code."""
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.does(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m septum.lab", description=__doc__)
    top.add_argument("--lab", type=Path, help="the run's folder; without it, the one started last")
    verbs = top.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, does: object, words: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=words, description=words)
        made.set_defaults(does=does)
        return made

    verb("packages", install_packages, "install the Debian packages that lab and tests need")
    verb("build", build, "build the disks of the lab computer, if they are not there")
    start = verb("start", start_lab, "start a lab computer that goes on running")
    start.add_argument("--computer", default=USUAL, help="a name, or a file that describes one")
    start.add_argument("--accel", default="tcg", choices=ACCELERATORS)
    start.add_argument("--icount", action="store_true", help="let its clock count instructions")
    start.add_argument("--folder", type=Path, help="for its logs, in place of build/lab/N")
    start.add_argument("--append", default="", help="more for its kernel's command line")
    run = verb("run", run_in_lab, "run a command in the lab; the exit code is the command's")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    verb("shell", shell, "a shell in the lab")
    verb("push", push, "copy this checkout's septum/ into the running lab")
    put = verb("put", put_file, "copy a file into the lab")
    put.add_argument("file", type=Path)
    put.add_argument("place")
    verb("stop", stop, "keep the logs and switch the lab off")
    verb("bench", bench, "measure Septum and QEMU side by side in the lab")
    verb("demo", demo, "run the main job in the lab and print its report")
    siege = verb("siege", besiege, "let a hostile system do what it likes beside a working one")
    siege.add_argument("--seeds", type=int, default=20, help="so many, from 1 (20)")
    siege.add_argument("--accesses", type=int, default=500_000, help="for each seed (500,000)")
    verb("alpha", build_alpha, "build the Alpha computer's kernels and init, into build/alpha")
    verb("demo-alpha", demo_alpha, "run the main job on the Alpha computer and print its report")
    verb("bench-alpha", bench_alpha, "measure the Alpha computer, and QEMU's beside it")
    return top


def install_packages(options: argparse.Namespace) -> int:
    from septum.lab.alpha import packages as alpha_packages

    packages.install(Progress())
    alpha_packages.install(Progress())
    return 0


def build(options: argparse.Namespace) -> int:
    progress = Progress()
    packages.install(progress)
    built = images.build(progress)
    installed.septum_disk(built.host_tree, progress)
    return 0


def start_lab(options: argparse.Namespace) -> int:
    way = Way(options.accel, options.icount, options.append)
    computer = read_computer(options.computer)
    lab = Lab(computer, way=way, folder=options.folder, outlives_us=True)
    try:
        lab.start()
    except BaseException:
        lab.kill()
        raise
    print(f"the lab runs, up in {lab.boot_seconds:.1f} s; its logs are in {lab.folder}")
    return 0


def run_in_lab(options: argparse.Namespace) -> int:
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    lab = Lab.attach(options.lab)
    command = words[0] if len(words) == 1 else shlex.join(words)
    return subprocess.run([*lab.line.words(terminal=sys.stdin.isatty()), command]).returncode


def shell(options: argparse.Namespace) -> int:
    return subprocess.run(Lab.attach(options.lab).line.words(terminal=True)).returncode


def push(options: argparse.Namespace) -> int:
    lab = Lab.attach(options.lab)
    packed = ["tar", "-C", str(installed.CHECKOUT), "--exclude=__pycache__", "-cf", "-", "septum"]
    archive = subprocess.run(packed, capture_output=True, check=True).stdout
    place = f"rm -rf {SITE_PACKAGES}/septum && tar -C {SITE_PACKAGES} --no-same-owner -xf -"
    lab.run(place, stdin=archive, check=True)
    return 0


def put_file(options: argparse.Namespace) -> int:
    Lab.attach(options.lab).put(options.file, options.place)
    return 0


def stop(options: argparse.Namespace) -> int:
    Lab.attach(options.lab).stop()
    return 0


def demo(options: argparse.Namespace) -> int:
    from septum.lab.demo import main as run_demo  # type: ignore[import-not-found,unused-ignore]

    return int(run_demo())


def bench(options: argparse.Namespace) -> int:
    from septum.lab.bench import main as run_bench  # type: ignore[import-not-found,unused-ignore]

    return int(run_bench())


def besiege(options: argparse.Namespace) -> int:
    from septum.lab.siege import main as run_siege

    return run_siege(range(1, options.seeds + 1), options.accesses)


def build_alpha(options: argparse.Namespace) -> int:
    from septum.lab.alpha import files

    built = files.build(Progress())
    for kernel in (built.blue, built.green):
        print(f"{kernel.file}: Linux {kernel.version}")
    print(built.initrd)
    return 0


def demo_alpha(options: argparse.Namespace) -> int:
    from septum.lab.alpha.demo import main as run_demo

    return run_demo()


def bench_alpha(options: argparse.Namespace) -> int:
    from septum.lab.alpha.bench import main as run_bench

    return run_bench()


if __name__ == "__main__":
    sys.exit(main())
