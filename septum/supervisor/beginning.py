"""Is there a supervisor to talk to, and if not, how does one begin? What did a dead one leave?"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from septum.host import cgroups, processes
from septum.host.channel import Conversation, connect, listen
from septum.host.journal import Journal
from septum.supervisor.conflicts import runs_alone
from septum.supervisor.world import World


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Nobody else starts, ends or cleans up after a supervisor meanwhile."""
    lock = os.open(world.directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        # A process forked meanwhile shares this lock: closing our copy would not release it.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def reach(world: World) -> Conversation | None:
    """A conversation with the supervisor; None when none runs."""
    stream = connect(world.directory.control)
    return None if stream is None else Conversation(stream)


def reach_or_begin(world: World, said: list[str]) -> Conversation:
    """A conversation with the supervisor that runs, or with a new one.

    Adds to said a line for each thing that was found abandoned and put back.
    """
    world.directory.make()
    with locked(world):
        conversation = reach(world)
        if conversation is None:
            said += recover(world)
            begin(world)
            conversation = reach(world)
        assert conversation is not None, "the new supervisor's socket was bound before it began"
        return conversation


def clean_up(world: World) -> list[str]:
    """When no supervisor runs: put back what a dead one left; a line for each thing."""
    if not os.path.isdir(world.directory.root) or not os.access(world.directory.root, os.W_OK):
        return []
    with locked(world):
        if (conversation := reach(world)) is not None:
            conversation.close()
            return []
        return recover(world)


def recover(world: World) -> list[str]:
    """With the lock held and no supervisor: end orphans, restore claims, remove files."""
    said = []
    names = [one for one in world.directory.instances() if not runs_alone(world.directory, one)]
    for name in names:
        process = processes.read_process(world.directory.process_of(name))
        if process is not None and process.is_alive:
            if not processes.wait_for_end(process, world.patience):
                processes.tell(process, signal.SIGKILL)
                processes.wait_for_end(process, world.patience)
            said.append(f"{name}: ended, its supervisor had died")
        elif process is not None:
            said.append(f"{name}: had died")
    said += world.restore(Journal(world.directory.claims))
    for name in names:
        cgroups.ControlGroup(name, weight=1, processors=(), root=world.groups).remove()
        world.directory.remove_instance(name)
    for path in (world.directory.control, world.directory.supervisor):
        if os.path.exists(path):
            os.unlink(path)
    return said


def begin(world: World) -> None:
    """Fork a supervisor into a session of its own; its socket takes askers at once."""
    listener = listen(world.directory.control)
    sys.stdout.flush()
    sys.stderr.flush()
    # Ctrl-C reaches every process of the terminal: not the new one, once it has its own session.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        number = os.fork()
        if number == 0:
            code = 1
            try:
                code = become_supervisor(world, listener)
            finally:
                os._exit(code)
        os.waitpid(number, 0)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        listener.close()


def become_supervisor(world: World, listener: socket.socket) -> int:
    """The whole life of the supervisor's process; its exit code."""
    os.setsid()
    if os.fork() != 0:
        return 0  # so that the supervisor is nobody's child, and no zombie of up's
    processes.keep_only((listener.fileno(),))
    processes.redirect(os.path.join(world.directory.logs, "supervisor.log"))
    processes.set_name("septum")
    processes.write_process(world.directory.supervisor, processes.this_process())
    os.chdir("/")
    try:
        from septum.supervisor.loop import Supervisor

        supervisor = Supervisor(world, listener)
        supervisor.listen_to_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        world.warm_up()
        gc.collect()
        # Collecting would touch, and so copy, every page the instances share with this process.
        gc.freeze()
        supervisor.serve()
    except Exception:  # noqa: BLE001  the log is all a daemon has
        import traceback

        traceback.print_exc()
        return 1
    return 0
