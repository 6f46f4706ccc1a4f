"""Where do the running parts of Septum meet? The run directory: sockets, journal, logs.

/run/septum/                 or SEPTUM_RUN; readable by its owner only
├── control                  socket of the supervisor
├── lock                     held while somebody starts, or ends, the supervisor
├── supervisor               its process
├── heir                     the process that tidies when the supervisor has died
├── claims/ADDRESS.json      what was taken from Linux, see journal
└── NAME/
    ├── control              socket of the instance's process
    ├── console              socket of its serial port
    ├── process              its process, a child of the supervisor
    └── alone                its process, in the foreground (septum run)
                             Of a user who is not root, once a table of theirs was up:
                             septum in XDG_RUNTIME_DIR, or /tmp/septum-USER
/var/log/septum/             or SEPTUM_LOG
├── supervisor.log
├── NAME.log                 what its serial port said
└── NAME.messages.log        what the VMM said about it
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from septum.errors import HostProblem, explained
from septum.settings import RESERVED_NAMES

DEFAULT_ROOT = "/run/septum"
DEFAULT_LOGS = "/var/log/septum"
LONGEST_SOCKET_PATH = 107  # bytes, struct sockaddr_un less its final zero: unix(7)
OWNER_ONLY = 0o700


class RunDirectory:
    """Names of everything above; makes directories when asked, opens nothing."""

    def __init__(self, root: str = DEFAULT_ROOT, logs: str = DEFAULT_LOGS) -> None:
        self.root = root
        self.logs = logs

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> RunDirectory:
        """SEPTUM_RUN and SEPTUM_LOG; else the user's own, if there is one; else the defaults."""
        world = os.environ if environment is None else environment
        own = cls.personal(world)
        default = own if os.path.isdir(own.root) else cls()
        return cls(world.get("SEPTUM_RUN", default.root), world.get("SEPTUM_LOG", default.logs))

    @classmethod
    def personal(cls, environment: Mapping[str, str]) -> RunDirectory:
        """Where instances live that need no privilege; for root, where all others live too.

        SEPTUM_RUN and SEPTUM_LOG move it. HostProblem when somebody else has made it first.
        """
        user = os.geteuid()
        root, logs = DEFAULT_ROOT, DEFAULT_LOGS
        if user != 0:
            runtime = environment.get("XDG_RUNTIME_DIR")
            root = os.path.join(runtime, "septum") if runtime else f"/tmp/septum-{user}"
            logs = os.path.join(root, "log")
        root = environment.get("SEPTUM_RUN", root)
        if os.path.lexists(root) and user not in (0, os.lstat(root).st_uid):
            raise HostProblem(
                f"{root} cannot be used",
                because="it belongs to somebody else",
                remedy="name a directory of your own in SEPTUM_RUN",
            )
        return cls(root, environment.get("SEPTUM_LOG", logs))

    @property
    def control(self) -> str:
        return os.path.join(self.root, "control")

    @property
    def lock(self) -> str:
        return os.path.join(self.root, "lock")

    @property
    def supervisor(self) -> str:
        return os.path.join(self.root, "supervisor")

    @property
    def heir(self) -> str:
        return os.path.join(self.root, "heir")

    @property
    def claims(self) -> str:
        return os.path.join(self.root, "claims")

    def instance(self, name: str) -> str:
        return os.path.join(self.root, name)

    def control_of(self, name: str) -> str:
        return os.path.join(self.root, name, "control")

    def console_of(self, name: str) -> str:
        return os.path.join(self.root, name, "console")

    def process_of(self, name: str) -> str:
        return os.path.join(self.root, name, "process")

    def alone_of(self, name: str) -> str:
        return os.path.join(self.root, name, "alone")

    def log_of(self, name: str) -> str:
        return os.path.join(self.logs, f"{name}.log")

    def messages_of(self, name: str) -> str:
        return os.path.join(self.logs, f"{name}.messages.log")

    def make(self) -> None:
        """Make the directories, or HostProblem."""
        remedies = {13: "run as root", 1: "run as root"}
        with explained(f"cannot make the run directory {self.root}", remedies):
            os.makedirs(self.root, OWNER_ONLY, exist_ok=True)
            os.makedirs(self.claims, OWNER_ONLY, exist_ok=True)
        with explained(f"cannot make the log directory {self.logs}", remedies):
            os.makedirs(self.logs, OWNER_ONLY, exist_ok=True)

    def make_instance(self, name: str) -> None:
        """Make one instance's directory; HostProblem when its sockets could not be bound."""
        if name in RESERVED_NAMES:
            raise HostProblem(
                f"an instance cannot be called {name}",
                because=f"{self.instance(name)} is one of Septum's own files",
                remedy="give it another name in the table",
            )
        longest = len(os.fsencode(self.console_of(name)))
        if longest > LONGEST_SOCKET_PATH:
            raise HostProblem(
                f"{self.console_of(name)} cannot be a socket",
                because=f"its path has {longest} bytes, Linux takes {LONGEST_SOCKET_PATH}",
                remedy="name a shorter directory in SEPTUM_RUN",
            )
        with explained(f"cannot make {self.instance(name)}"):
            os.makedirs(self.instance(name), OWNER_ONLY, exist_ok=True)

    def remove_instance(self, name: str) -> None:
        """Remove one instance's directory with what is in it; no error when it is gone."""
        if name in RESERVED_NAMES:
            return
        directory = self.instance(name)
        try:
            left = os.listdir(directory)
        except FileNotFoundError:
            return
        for entry in left:
            os.unlink(os.path.join(directory, entry))
        os.rmdir(directory)

    def instances(self) -> list[str]:
        """Names of the instances that have a directory here, sorted."""
        try:
            entries = sorted(os.listdir(self.root))
        except (FileNotFoundError, PermissionError):
            return []
        return [
            name
            for name in entries
            if name not in RESERVED_NAMES and os.path.isdir(os.path.join(self.root, name))
        ]
