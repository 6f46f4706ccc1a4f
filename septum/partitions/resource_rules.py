"""Does the table's memory, its processors, files and names fit the machine and each other?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from septum.partitions.case import Case
from septum.partitions.findings import Finding
from septum.settings import INSTANCE_NAME, RESERVED_NAMES
from septum.units import HUGE_PAGE, MiB, Span, align_up, size_text

SMALLEST = 32 * MiB  # a stock kernel does not reach init with less
MOST_PROCESSORS = 255  # APIC ids 0 to 254: a message has eight bits for them. SDM 3A, 11.11.1


def somebody_is_there(case: Case) -> Iterator[Finding]:
    if not case.draft.instances:
        yield case.finding(
            ("instances",),
            "the table has no instances",
            "there is nothing to run",
            "add a section such as [instances.blue]",
        )


def names_are_plain(case: Case) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for instance in case.draft.instances:
        name, key = instance.name, ("instances", instance.name)
        if not INSTANCE_NAME.fullmatch(name):
            yield case.finding(
                key,
                f'"{name}" is not a name for an instance',
                "names are 1 to 32 of a to z, 0 to 9 and -, which no name begins with",
                "give it a name such as blue or web-2",
            )
        if name.casefold() in RESERVED_NAMES:
            yield case.finding(
                key,
                f"no instance can be called {name}",
                f"Septum's own files are called {', '.join(RESERVED_NAMES)}, beside the instances'",
                f"give it another name, such as {name}-1",
            )
        before = seen.setdefault(name.casefold(), name)
        if before != name:
            yield case.finding(
                key,
                f"two instances are named alike: {before} and {name}",
                "they differ in capital letters only",
                "give one of them another name",
            )


def kernels_are_there(case: Case) -> Iterator[Finding]:
    if case.files_exist is None:
        return
    builds = "" if case.machine.hosted else "; make alpha builds those of Septum's example"
    for instance in case.draft.instances:
        for key, path in (("kernel", instance.kernel), ("initrd", instance.initrd)):
            if path is not None and not case.files_exist(path):
                yield case.finding(
                    ("instances", instance.name, key),
                    f"{key} of {instance.name} is missing or cannot be read",
                    f"there is no readable file {path}",
                    "correct the path (relative paths begin at the table's folder)" + builds,
                )


def memory_is_whole_pages(case: Case) -> Iterator[Finding]:
    for instance in case.draft.instances:
        if instance.memory is None:
            continue
        key = ("instances", instance.name, "memory")
        for word, size in zip(instance.memory._fields, instance.memory, strict=True):
            if size is not None and size % HUGE_PAGE:
                yield case.finding(
                    key,
                    f"memory of {instance.name} is not whole pages: {word} {size_text(size)}",
                    f"memory is handed out in pages of {size_text(HUGE_PAGE)}",
                    f'write "{size_text(align_up(size, HUGE_PAGE))}"',
                )
        if instance.memory.base < SMALLEST:
            yield case.finding(
                key,
                f"memory of {instance.name} is too little: {size_text(instance.memory.base)}",
                f"no system starts in less than {size_text(SMALLEST)} of its own",
                'give it more, such as "512M"',
            )


def memory_is_there(case: Case) -> Iterator[Finding]:
    """At the instance whose memory is the first that no longer fits."""
    machine, asked = case.machine, 0
    pool = sum(pages.size * pages.total for pages in machine.huge_pages)
    # Linux counts a reserved huge page as used, though it is there for just this.
    free = min(machine.memory_available + pool, machine.memory_total)
    for instance in case.draft.instances:
        if instance.memory is None:
            continue
        asked += instance.memory.total
        if asked <= free:
            continue
        beyond = asked > machine.memory_total
        limit = size_text_about(machine.memory_total if beyond else free)
        yield case.finding(
            ("instances", instance.name, "memory"),
            f"memory up to {instance.name} is {size_text_about(asked)}: more than there is",
            f"{machine.name} has {limit}" + ("" if beyond else " to give now"),
            "give the instances less" + ("" if beyond else ", or end programs on the machine"),
        )
        return


def memory_can_be_placed(case: Case) -> Iterator[Finding]:
    """Where the table says where an instance's memory lies, is there some to give?"""
    for instance in case.draft.instances:
        if instance.memory is None or instance.memory.at is None:
            continue
        key = ("instances", instance.name, "memory")
        wanted = _placed(instance.name, instance.memory.at, instance.memory.total)
        if not any(_inside(wanted.span, area.span) for area in case.machine.memory):
            free = ", ".join(str(area.span) for area in case.machine.memory)
            yield case.finding(
                key,
                f"memory of {instance.name} at {wanted.span} is not there",
                f"{case.machine.name} has {free} to give",
                "move it, or leave at out",
            )


class Placed(NamedTuple):
    """Where the table wants the memory of an instance."""

    name: str
    span: Span


def _placed(name: str, at: int, size: int) -> Placed:
    return Placed(name, Span(at, size))


def _inside(span: Span, area: Span) -> bool:
    return area.start <= span.start and span.end <= area.end


def slices_do_not_overlap(case: Case) -> Iterator[Finding]:
    before: list[Placed] = []
    for instance in case.draft.instances:
        if instance.memory is None or instance.memory.at is None:
            continue
        this = _placed(instance.name, instance.memory.at, instance.memory.total)
        for other in before:
            if this.span.overlaps(other.span):
                yield case.finding(
                    ("instances", instance.name, "memory"),
                    f"memory of {instance.name} overlaps that of {other.name}",
                    f"{this.span} is asked for, and {other.name} has {other.span}",
                    "move one of them, or leave at out",
                )
        before.append(this)


def size_text_about(size: int) -> str:
    """A size in MiB, cut; for people, not for tables."""
    return f"{size // MiB} MiB"


def processors_exist(case: Case) -> Iterator[Finding]:
    online = {processor.number: processor.online for processor in case.machine.processors}
    here = ", ".join(str(number) for number, is_online in online.items() if is_online)
    for instance in case.draft.instances:
        if instance.processors is None:
            continue
        numbers = instance.processors.numbers
        key = ("instances", instance.name, "processors")
        if not numbers:
            yield case.finding(
                key,
                f"{instance.name} has no processor",
                "the list is empty",
                f"name some of {here}",
            )
        if instance.processors.count > len(numbers) > 0:
            what = f"{instance.name} finds more processors than it may run on"
            because = f"count is {instance.processors.count}, {len(numbers)} are named"
            yield case.finding(key, what, because, "name more of them, or lower count")
        if instance.processors.found > MOST_PROCESSORS and case.machine.hosted:
            what = f"{instance.name} finds too many processors: {instance.processors.found}"
            because = (
                f"without interrupt remapping, which no instance has, {MOST_PROCESSORS} can be "
                "interrupted"
            )
            yield case.finding(key, what, because, f"write count = {MOST_PROCESSORS}")
        for number in dict.fromkeys(numbers):
            if number not in online:
                what = f"processor {number} is not there"
                because = f"{case.machine.name} has processors {here}"
                yield case.finding(key, what, because, f"name some of {here}")
            elif not online[number]:
                what, because = f"processor {number} is offline", "Linux does not run it"
                remedy = f"echo 1 > /sys/devices/system/cpu/cpu{number}/online"
                yield case.finding(key, what, because, remedy)
            if numbers.count(number) > 1:
                what = f"processor {number} is named twice for {instance.name}"
                because = "an instance finds each of its processors once"
                yield case.finding(key, what, because, "name it once")


def one_processor_where_no_host_moves_them(case: Case) -> Iterator[Finding]:
    """Linux moves an instance from processor to processor; without it, it has a place on one."""
    if case.machine.hosted:
        return
    for instance in case.draft.instances:
        if instance.processors is not None and len(instance.processors.numbers) > 1:
            yield case.finding(
                ("instances", instance.name, "processors"),
                f"{instance.name} has more than one processor",
                f"each instance runs on one processor of {case.machine.name}",
                "name one; others may share it",
            )


def own_processors_are_alone(case: Case) -> Iterator[Finding]:
    users: dict[int, list[tuple[str, bool]]] = {}
    for instance in case.draft.instances:
        if instance.processors is None:
            continue
        for number in dict.fromkeys(instance.processors.numbers):
            for other, owned in users.setdefault(number, []):
                if owned or instance.processors.own:
                    owner, user = (other, instance.name) if owned else (instance.name, other)
                    yield case.finding(
                        ("instances", instance.name, "processors"),
                        f"processor {number} belongs to {owner} and is used by {user} too",
                        "own means: nobody else's",
                        "share it in both, or name another processor",
                    )
            users[number].append((instance.name, instance.processors.own))


def linux_keeps_a_processor(case: Case) -> Iterator[Finding]:
    left = {processor.number for processor in case.machine.processors if processor.online}
    if not case.machine.hosted:
        return
    for instance in case.draft.instances:
        if instance.processors is None or not instance.processors.own or not left:
            continue
        left -= set(instance.processors.numbers)
        if not left:
            yield case.finding(
                ("instances", instance.name, "processors"),
                f"with those of {instance.name}, all processors are owned",
                "Linux on the machine, and the console of every instance, need one",
                "share a processor instead of owning it",
            )
