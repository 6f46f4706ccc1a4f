"""How does a program speak to an instance as a person would? By `septum console`, in the lab."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from septum.errors import Problem
from septum.lab.run import Lab

CHUNK = 4096
LAST_CHARACTERS = 300  # of a console, quoted when it did not say what was waited for
# A shell that reads lines this way neither prompts nor edits nor repeats what it reads: each
# character on a serial port costs exits
QUIET_SHELL = r"""stty -echo; printf '%s is quiet\n' shell; while read -r l; do eval "$l"; done"""
IS_QUIET = "shell is quiet"
# Somebody who types the command before the instance is there would type it again
ATTACH = "until [ -S /run/septum/{name}/console ]; do sleep 0.3; done; exec septum console {name}"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME = r"<begin {n}>\n(.*?)<end {n} (\d+)>"


class Answer(NamedTuple):
    """What a command typed at a console printed, and the code it ended with."""

    code: int
    text: str


class Terminal:
    """The console of one instance, attached until closed; all it says is kept in a log."""

    def __init__(self, lab: Lab, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._heard = ""
        self._changed = threading.Condition()
        self._ended = False
        self._commands = 0
        self._process = subprocess.Popen(
            [*lab.line.words(), ATTACH.format(name=name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, name=f"console {name}", daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Detach. The log stays."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with self.log.open("ab") as log:
            while data := stream.read1(CHUNK):  # type: ignore[attr-defined]
                log.write(data)
                log.flush()
                text = data.decode(errors="replace").replace("\r", "")
                with self._changed:
                    self._heard = _ESCAPES.sub("", self._heard + text)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def heard(self) -> str:
        """All it has said since attached, without carriage returns and cursor movements."""
        with self._changed:
            return self._heard

    @property
    def has_ended(self) -> bool:
        """Whether the instance (or the line) closed it."""
        with self._changed:
            return self._ended

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait until it has said this. Raises Problem after so many seconds, or at its end."""
        wanted = re.compile(pattern, re.DOTALL)
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = wanted.search(self._heard)
                if found:
                    return found
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
            why = "it was closed" if self._ended else f"{seconds:.0f} s are over"
            last = self._heard[-LAST_CHARACTERS:]
        raise Problem(
            f"{self.name}'s console did not say {pattern!r}",
            because=f"{why}; its last words: {last!r}",
            remedy=f"see {self.log}",
        )

    def type(self, text: str) -> None:
        """Type a line."""
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(text.encode() + b"\r")
            stream.flush()
        except BrokenPipeError:
            return  # the wait for its effect will say that the console was closed

    def quiet_shell(self, seconds: float) -> None:
        """From a shell's prompt to a shell that says nothing but what is asked."""
        self.type(QUIET_SHELL)
        # A line typed sooner could be taken by the shell that is about to give way
        self.wait_for(IS_QUIET, seconds)

    def ask(self, command: str, seconds: float, *, check: bool = True) -> Answer:
        """Run a command by the quiet shell; Problem when it fails, or takes longer."""
        self._commands += 1
        number = self._commands
        # What is typed must not look like the answer, should it be echoed
        self.type(
            f"printf '<%s {number}>\\n' begin; {{ {command}; }} 2>&1; "
            f"printf '<%s {number} %s>\\n' end $?"
        )
        found = self.wait_for(_FRAME.format(n=number), seconds)
        answer = Answer(int(found.group(2)), found.group(1))
        if check and answer.code != 0:
            raise Problem(
                f"failed in {self.name}: {command}",
                because=f"it ended with {answer.code}: {answer.text.strip()}",
                remedy=f"see {self.log}",
            )
        return answer
