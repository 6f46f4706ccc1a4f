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

from septum.errors import HostProblem, NotRunning
from septum.host import cgroups, logs, processes, systemd, unit_files
from septum.host.channel import Conversation, connect, listen
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory
from septum.platforms import registry
from septum.settings import PLATFORM_NAMES
from septum.supervisor.conflicts import runs_alone
from septum.supervisor.service import Service
from septum.supervisor.workplace import Workplace

SERVED = PLATFORM_NAMES[0]  # whose instances own what is this computer's


@contextmanager
def locked(place: Workplace) -> Iterator[None]:
    """Nobody else starts, ends or cleans up after a supervisor meanwhile."""
    lock = os.open(place.directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        # A process forked meanwhile shares this lock: closing our copy would not release it.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def reach(place: Workplace) -> Conversation | None:
    """A conversation with the supervisor; None when none runs."""
    stream = connect(place.directory.control)
    return None if stream is None else Conversation(stream)


def reach_or_begin(place: Workplace, platform: str, said: list[str]) -> Conversation:
    """A conversation with the supervisor that runs, or with a new one for a platform's instances.

    Adds to said a line for each thing that was found abandoned and put back.
    """
    place.directory.make()
    if is_service(place, platform) and (found := reach_service(place, said)) is not None:
        return found
    with locked(place):
        conversation = reach(place)
        if conversation is None:
            said += recover(place)
            begin(place, platform)
            conversation = reach(place)
        assert conversation is not None, "the new supervisor's socket was bound before it began"
        return conversation


def is_service(place: Workplace, platform: str) -> bool:
    """True where systemd keeps the supervisor: a process of a login would end with that."""
    usual = RunDirectory()
    is_usual = (place.directory.root, place.directory.logs) == (usual.root, usual.logs)
    return is_usual and platform == SERVED and systemd.runs()


def reach_service(place: Workplace, said: list[str]) -> Conversation | None:
    """A conversation with the supervisor, that systemd has started if none ran; None: it cannot."""
    with locked(place):
        conversation = reach(place)
        if conversation is None:
            said += recover(place)
    # What starts now takes the lock itself: whoever starts it, we or an administrator
    if conversation is None:
        try:
            systemd.begin_service(program(), unit_files.WITHIN)
        except HostProblem as problem:
            said.append(f"{problem.what}: {problem.because}; a login's end may end the instances")
        conversation = reach(place)
    return conversation


def program() -> list[str]:
    """The words that run Septum as this process was run."""
    path = os.path.abspath(sys.argv[0])
    if os.path.basename(path) == "septum" and os.access(path, os.X_OK):
        return [path]
    return [sys.executable, "-m", "septum.admin.cli.main"]


def supervise(place: Workplace, within: float) -> int:
    """Be the supervisor in this very process, as its unit has it, with a time to end in (seconds).

    Returns the process's exit code. NotRunning: another supervisor runs already.
    """
    place.directory.make()
    with locked(place):
        if (other := reach(place)) is not None:
            other.close()
            raise NotRunning(
                f"{unit_files.SERVICE} does not run",
                because="a supervisor runs already, which systemd did not start",
                remedy="septum down ends its instances, and it with them",
            )
        for line in recover(place):
            print(line, flush=True)
        listener = listen(place.directory.control)
        processes.write_process(place.directory.supervisor, processes.this_process())
    processes.set_name("septum")
    place = place._replace(groups=systemd.own_groups(place.groups))
    return serve(place, SERVED, listener, Service(within))


def clean_up(place: Workplace) -> list[str]:
    """When no supervisor runs: put back what a dead one left; a line for each thing."""
    if not os.path.isdir(place.directory.root) or not os.access(place.directory.root, os.W_OK):
        return []
    with locked(place):
        if (conversation := reach(place)) is not None:
            conversation.close()
            return []
        return recover(place)


def recover(place: Workplace) -> list[str]:
    """With the lock held and no supervisor: end orphans, restore claims, remove files.

    What Linux does not take back stays in the journal, and is said too.
    """
    said = []
    names = [one for one in place.directory.instances() if not runs_alone(place.directory, one)]
    for name in names:
        process = processes.read_process(place.directory.process_of(name))
        if process is not None and process.is_alive:
            if not processes.wait_for_end(process, place.patience):
                processes.tell(process, signal.SIGKILL)
                processes.wait_for_end(process, place.patience)
            said.append(f"{name}: ended, its supervisor had died")
        elif process is not None:
            said.append(f"{name}: had died")
    said += put_back(place)
    for name in names:
        cgroups.ControlGroup(name, weight=1, processors=(), root=place.groups).remove()
        place.directory.remove_instance(name)
    for path in (place.directory.control, place.directory.supervisor):
        if os.path.exists(path):
            os.unlink(path)
    return said


def put_back(place: Workplace) -> list[str]:
    """Give back what dead processes held; a line for each thing, and for what did not come."""
    try:
        return registry.restore(Journal(place.directory.claims))
    except HostProblem as problem:
        return [str(problem)]


def try_again(place: Workplace) -> list[str]:
    """Give back what Linux should have and has not, whoever runs; a line for each thing."""
    return put_back(place) if Journal(place.directory.claims).unreturned() else []


def left_by(place: Workplace, name: str) -> list[str]:
    """What an instance that is no more still holds, after one more try to give it back."""
    journal = Journal(place.directory.claims)
    if journal.left_by(name):
        put_back(place)
    return [entry.address for entry in journal.left_by(name)]


def begin(place: Workplace, platform: str) -> None:
    """Fork a supervisor into a session of its own; its socket takes askers at once."""
    listener = listen(place.directory.control)
    sys.stdout.flush()
    sys.stderr.flush()
    # Ctrl-C reaches every process of the terminal: not the new one, once it has its own session.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        number = os.fork()
        if number == 0:
            code = 1
            try:
                code = become_supervisor(place, platform, listener)
            finally:
                os._exit(code)
        os.waitpid(number, 0)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        listener.close()


def become_supervisor(place: Workplace, platform: str, listener: socket.socket) -> int:
    """The whole life of the supervisor's process; its exit code."""
    os.setsid()
    if os.fork() != 0:
        return 0  # so that the supervisor is nobody's child, and no zombie of up's
    processes.keep_only((listener.fileno(),))
    own = os.path.join(place.directory.logs, "supervisor.log")
    logs.Log(own, logs.OWN_SIZE, logs.OWN_COUNT).take_output()
    processes.set_name("septum")
    processes.write_process(place.directory.supervisor, processes.this_process())
    os.chdir("/")
    return serve(place, platform, listener, None)


def serve(place: Workplace, platform: str, listener: socket.socket, service: Service | None) -> int:
    """A supervisor's work, until nothing is left to do; its process's exit code."""
    leave_an_heir(place, listener)
    try:
        from septum.supervisor.loop import Supervisor

        supervisor = Supervisor(place, platform, listener, service)
        supervisor.listen_to_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        supervisor.platform.warm_up()
        gc.collect()
        # Collecting would touch, and so copy, every page the instances share with this process.
        gc.freeze()
        if service is not None:
            systemd.say_ready()
        supervisor.serve()
    except Exception:  # noqa: BLE001  the log is all a daemon has
        import traceback

        traceback.print_exc()
        return 1
    return 0


def leave_an_heir(place: Workplace, listener: socket.socket) -> None:
    """Fork a process that does nothing until this one has died; then it tidies after both.

    Confined instances give nothing back themselves. It is no supervisor: they end with theirs.
    """
    supervisor = processes.this_process()
    if os.fork() != 0:
        return
    code = 1
    try:
        listener.close()
        # Whoever stops all of Septum's processes at once wants this one to be the last.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        processes.set_name("septum heir")
        processes.write_process(place.directory.heir, processes.this_process())
        processes.wait_for_end(supervisor, None)
        for line in clean_up(place):
            logs.say(line)
        code = 0
    except Exception:  # noqa: BLE001  the log is all a daemon has
        sys.excepthook(*sys.exc_info())
    finally:
        if processes.read_process(place.directory.heir) == processes.this_process():
            os.unlink(place.directory.heir)
        os._exit(code)
