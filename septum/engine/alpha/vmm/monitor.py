"""Who runs now, and what is done when it traps? The VMM: schedule, run, answer, interrupt.

    monitor = Monitor(computer, partitions, images)
    monitor.start()
    while monitor.step(50_000_000):
        ...                            # look at it, type to it, stop it

One thread. Processors of the machine take turns of a fraction of a millisecond; instances of one
processor take turns by weight (schedule.RunQueue).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from septum.discovery.hwrpb import IsaEntry, Run
from septum.engine.alpha.computer import firmware
from septum.engine.alpha.computer.computer import Computer, NonexistentMemory
from septum.engine.alpha.computer.enumeration import functions
from septum.engine.alpha.computer.inventory import FIRMWARE, machine_of
from septum.engine.alpha.processor import core
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.vmm.fielding import Fielding
from septum.engine.alpha.vmm.instance import Instance, World
from septum.engine.alpha.vmm.loading import Image
from septum.engine.alpha.vmm.palcode import bus, calls, entries, misses
from septum.engine.alpha.vmm.palcode.machine_check import nonexistent
from septum.engine.alpha.vmm.palcode.registers import Halted, Palcode
from septum.engine.alpha.vmm.requests import interrupt_table
from septum.engine.alpha.vmm.seat import Seat
from septum.errors import GuestProblem, TableProblem
from septum.interrupts.table import CYCLE_COUNTER
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode, tsunami
from septum.machine.model import Function, Machine
from septum.memory.slices import slices
from septum.partitions.model import Partition
from septum.units import Span

SLICE = 1_000_000  # cycles, 2 ms
_ROUND = 100_000  # cycles one processor runs before another's turn
# What an exit costs its instance: about as many cycles as the answer takes here. A guest that only
# traps would else have far more of the real processor than its share.
_EXIT = 200
_RESTART = 5_000_000  # cycles of its own time that a new start takes, as firmware would
_NEVER = 1 << 62
_TABLES = 1 << 16  # from here on the VMM's memory is for DMA tables


class Monitor:
    """The VMM of one computer. `images` by the partitions' names.

    TableProblem when memory finds no place. `slice_cycles`: the longest turn.
    """

    def __init__(
        self,
        computer: Computer,
        partitions: Sequence[Partition],
        images: Mapping[str, Image],
        *,
        slice_cycles: int = SLICE,
        machine: Machine | None = None,
    ) -> None:
        self.computer = computer
        self.machine = machine or machine_of(computer.description)
        self.seats = tuple(
            Seat(number, Processor(computer.memory), slice_cycles)
            for number in range(computer.description.processors)
        )
        self.measured: list[float] | None = None  # seconds in compiled code, if asked for
        places = slices(self.machine, partitions)
        world = self._world(partitions)
        self.instances: dict[str, Instance] = {}
        for partition in partitions:
            seat = self.seats[partition.processors.numbers[0]]
            name = partition.name
            instance = Instance(partition, places[name], images[name], world, seat.processor)
            self.instances[name] = instance
            seat.instances.append(instance)
        self.interrupts = world.interrupts
        self.fielding = Fielding(computer, self.seats, world.interrupts)
        self._handlers = self._answers()

    def _world(self, partitions: Sequence[Partition]) -> World:
        computer = self.computer
        table = self._firmware()
        computer.memory.data[palcode.HWRPB : palcode.HWRPB + len(table)] = table
        found = functions(computer.read, computer.write, len(computer.hoses))
        shared = _shared_hoses(found, partitions)
        for hose in shared:
            if not computer.description.hoses[hose].requester_windows:
                raise TableProblem(
                    f"hose {hose} cannot be divided",
                    because="its DMA windows do not tell one device from another's",
                    remedy="give all of it to one instance, or take a computer whose hose has "
                    "windows for each requester: one-hose",
                )
        return World(
            computer=computer,
            machine=self.machine._replace(functions=found),
            table=table,
            tables=_parts([partition.name for partition in partitions]),
            shared_hoses=shared,
            interrupts=interrupt_table(
                computer.description, found, self.machine.isa, partitions
            ),
        )

    def _firmware(self) -> bytes:
        """What firmware says of the whole machine; the VMM's own memory is the console's."""
        described = self.computer.description
        kept = FIRMWARE // hwrpb.PAGE_SIZE
        pages = described.memory // hwrpb.PAGE_SIZE
        isa = tuple(IsaEntry(one.name, one.ports, one.line) for one in described.isa)
        inventory = firmware.Inventory(
            described.name,
            (
                Run(0, kept, hwrpb.Usage.CONSOLE),
                Run(kept, pages - kept, hwrpb.Usage.SYSTEM),
            ),
            described.processors,
            described.frequency,
            isa,
        )
        return firmware.build(inventory, palcode.HWRPB)

    # ---- starting and stopping

    def start(self, *names: str) -> None:
        """Switch instances on (all, unless named). GuestProblem: an image cannot be loaded."""
        for seat in self.seats:
            for instance in seat.instances:
                if not names or instance.name in names:
                    self._start(instance)
                    seat.queue.remove(instance.name)
                    seat.queue.add(instance.name, instance.partition.processors.weight)

    def _start(self, instance: Instance) -> None:
        try:
            instance.start()
        except GuestProblem as problem:
            instance.end(str(problem.what))
            raise
        self.fielding.begin(instance, instance.now())

    def stop(self, name: str, why: str = "stopped") -> None:
        """End an instance, from outside or because it cannot go on."""
        instance = self.instances[name]
        if instance.ended is None:
            instance.end(why)
        for seat in self.seats:
            seat.queue.remove(name)

    @property
    def alive(self) -> bool:
        """Whether an instance runs."""
        return any(seat.running for seat in self.seats)

    @property
    def idle(self) -> bool:
        """Whether all that run wait for an interrupt: who calls step() may rest a while too."""
        return all(one.pal.waiting for seat in self.seats for one in seat.running)

    @property
    def now(self) -> int:
        """Machine time: cycles since power-on."""
        return max(seat.now for seat in self.seats)

    def measure(self) -> None:
        """From now on add up the seconds spent in compiled code, in `measured`[0]."""
        self.measured = [0.0]

    # ---- running

    def run(self, until: int = _NEVER) -> None:
        """Run until all have ended, machine time reaches `until`, or nothing will ever happen."""
        while self.now < until and self.step(min(until - self.now, _ROUND * 1000)):
            if self.idle and until == _NEVER and not any(self._due(seat) for seat in self.seats):
                return

    def step(self, cycles: int) -> bool:
        """Run for about so much machine time; whether an instance still runs."""
        target = self.now + cycles
        if len(self.seats) == 1:
            self._run_seat(self.seats[0], target)
        else:
            start = min(seat.now for seat in self.seats)
            while start < target and self.alive:
                start = min(start + _ROUND, target)
                for seat in self.seats:
                    self._run_seat(seat, start)
        return self.alive

    def _run_seat(self, seat: Seat, until: int) -> None:
        """Let one processor run until a moment, or until none of its instances is left."""
        while seat.now < until:
            self.settle(seat)
            name = seat.queue.pick()
            if name is None:
                if not seat.running:
                    if len(self.seats) > 1:
                        seat.processor.skip(max(until - seat.now, 0))
                    return
                self._idle(seat, until)
                continue
            self._turn(seat, self.instances[name], until)

    def _idle(self, seat: Seat, until: int) -> None:
        """All wait: time jumps to what is due next."""
        jump = max(min([until, *self._due(seat)]) - seat.now, 1)
        seat.processor.skip(jump)
        seat.idle += jump

    def _due(self, seat: Seat) -> list[int]:
        """When something happens by itself: clocks of its instances, devices."""
        ticks = [one.isa.clock.next_tick for one in seat.running]
        return [tick for tick in (*ticks, self.computer.next_event()) if tick is not None]

    def _turn(self, seat: Seat, instance: Instance, until: int) -> None:
        """Run an instance until its slice ends, it waits, or another is to run at once."""
        pal, processor = instance.pal, seat.processor
        if processor.context is not pal.context:
            processor.switch_to(pal.context)
            seat.switches += 1
        begun = seat.now
        seat.preempt = False
        try:
            self._go_on(seat, instance, pal, min(until, begun + seat.queue.slice))
        except Halted:
            self._halted(seat, instance)
        except GuestProblem as problem:
            self.stop(instance.name, f"{problem.what} ({problem.because})")
        used = seat.now - begun
        seat.queue.charge(instance.name, used)
        if used >= seat.queue.slice and instance.ended is None and not instance.pal.waiting:
            self.interrupts.fielded(CYCLE_COUNTER)
        if instance.ended is None and instance.pal.waiting:
            seat.queue.wait(instance.name)

    def _go_on(self, seat: Seat, instance: Instance, pal: Palcode, end: int) -> None:
        """The inner loop: run the processor, answer why it stopped, deliver what waits."""
        counters, handlers = seat.counters, self._handlers
        clock, computer = instance.isa.clock, self.computer
        interrupts = instance.interrupts
        run = self._timed_run if self.measured is not None else core.run
        context, memory, st = pal.context, computer.memory, pal.st
        arguments = (
            context.registers,
            context.floating,
            context.state,
            seat.processor.counters,
            context.buffer.entries,
            memory,
        )
        while True:
            now = counters[0] + counters[1]
            due = computer.next_event() or end
            tick = clock.next_tick
            if tick is not None and tick < due:
                due = tick
            if now >= due:
                self.settle(seat)
                due = end
            if st[s.PENDING_LEVEL] > st[s.INTERRUPT_LEVEL]:
                interrupts.deliver(now)
            if now >= end or pal.waiting or seat.preempt:
                return
            budget = (due if due < end else end) - now
            stop = run(*arguments, budget)
            if stop:
                handlers[stop](pal)
                counters[s.SKIPPED] += _EXIT

    def _timed_run(self, *arguments: object) -> int:
        begun = time.perf_counter()
        stop: int = core.run(*arguments)  # type: ignore[arg-type]
        assert self.measured is not None
        self.measured[0] += time.perf_counter() - begun
        return stop

    # ---- interrupts of the machine

    def settle(self, seat: Seat) -> None:
        """Let time's events happen: devices finish, clocks tick, who waited for it wakes."""
        now = seat.now
        self.computer.advance(now)
        self.fielding.look(now)
        self.fielding.look_at_pins(seat)
        for instance in seat.running:
            ticks = instance.isa.clock.take_ticks()
            if ticks:
                instance.interrupts.owe_ticks(ticks, now)
            if not instance.pal.waiting:
                seat.queue.wake(instance.name)

    # ---- exits

    def _answers(self) -> list[Callable[[Palcode], None]]:
        """Who answers each exit, by its number."""
        answers: dict[int, Callable[[Palcode], None]] = {
            s.CALL_PAL: calls.call,
            s.DTB_MISS: misses.data_miss,
            s.ITB_MISS: misses.instruction_miss,
            s.UNALIGNED: entries.unaligned,
            s.ILLEGAL_INSTRUCTION: entries.illegal_instruction,
            s.FLOATING_DISABLED: entries.floating_disabled,
            s.ARITHMETIC: entries.arithmetic,
            s.BUS: self._bus,
            s.FETCH_OUTSIDE: _fetch_outside,
            s.INTERRUPT: _nothing,
        }
        return [answers.get(number, _nothing) for number in range(max(answers) + 1)]

    def _bus(self, pal: Palcode) -> None:
        """A load or store of a device's registers by its owner: hardware's, not a trap."""
        st = pal.st
        word, physical = st[s.INSTRUCTION], st[s.FAULT_PHYSICAL]
        opcode = word >> a.OPCODE_SHIFT
        pal.counters["bus"] += 1
        if opcode in bus.FLOATING:
            bus.absent(pal, physical, bus.NO_FLOATING)
            return
        size = bus.SIZES[opcode]
        now = pal.processor.cycles
        self.computer.advance(now)
        try:
            if st[s.FAULT_IS_STORE]:
                value = pal.r[word >> a.RA_SHIFT & a.REGISTER_MASK] & (1 << 8 * size) - 1
                self.computer.write(physical, size, value)
                bus.done(pal, opcode, word, 0)
            else:
                bus.done(pal, opcode, word, self.computer.read(physical, size))
        except NonexistentMemory:
            nonexistent(pal, physical, "memory access", "the machine has nothing there")
        self.fielding.look(now)

    def _halted(self, seat: Seat, instance: Instance) -> None:
        """CALL_PAL HALT: power-off, or a new start."""
        wants = instance.wants()
        if wants in (palcode.HALT_COLD_BOOT, palcode.HALT_WARM_BOOT):
            if instance.partition.on_reboot == "restart":
                instance.end("restarting")
                seat.processor.skip(_RESTART)
                self._start(instance)
                seat.queue.remove(instance.name)
                seat.queue.add(instance.name, instance.partition.processors.weight)
                return
            self.stop(instance.name, "asked to be restarted")
            return
        self.stop(instance.name, "powered off")


def _parts(names: Sequence[str]) -> dict[str, Span]:
    """To each a part of the VMM's memory: one that fills its own leaves the others theirs."""
    size = (FIRMWARE - _TABLES) // max(len(names), 1)
    return {name: Span(_TABLES + number * size, size) for number, name in enumerate(names)}


def _shared_hoses(
    found: Sequence[Function], partitions: Sequence[Partition]
) -> frozenset[int]:
    """Hoses with functions of more than one owner; the ISA bridge is everybody's."""
    bridges = {one.address for one in found if one.class_code == tsunami.ISA_BRIDGE_CLASS}
    owners: dict[int, set[str]] = {}
    for partition in partitions:
        for address in partition.functions:
            if address not in bridges:
                owners.setdefault(address.domain, set()).add(partition.name)
    return frozenset(hose for hose, names in owners.items() if len(names) > 1)


def _nothing(pal: Palcode) -> None:
    """As many instructions as were allowed, or the IPL fell: what waits is delivered next."""


def _fetch_outside(pal: Palcode) -> None:
    nonexistent(
        pal, pal.st[s.FAULT_PHYSICAL], "instruction fetch", "not memory", is_fetch=True
    )

