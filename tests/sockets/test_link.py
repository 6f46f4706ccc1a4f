"""Are all who ask and all who listen served, and does none of them hold up the guest?"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from septum.errors import Problem
from septum.host.channel import Conversation, ask
from septum.layouts import uart
from septum.messages import Message, encode
from septum.sockets import console as console_module
from septum.sockets import link
from septum.sockets.console import HISTORY, Console
from septum.sockets.link import MOST_ASKERS, MOST_READERS, Link

SECONDS = 10.0  # the most a test waits for what must come


class Running:
    """A console and its link, served by the link's own thread; the test is the guest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.levels: list[int] = []
        self.heard = threading.Event()
        self.console = Console(str(folder / "log"), self._line, self.lock)
        self.link = Link(self.console, self.lock, "blue")
        self.is_open = True

    def _line(self, level: int) -> None:
        self.levels.append(level)
        self.heard.set()

    def serve(self) -> None:
        self.link.serve(str(self.folder / "control"), str(self.folder / "console"))

    def close(self) -> None:
        if self.is_open:
            self.link.close()
            self.console.close()
        self.is_open = False

    def say(self, text: bytes) -> None:
        """The guest writes to its port, as a processor's thread does while it answers an exit."""
        for value in text:
            with self.lock:
                self.console.port.write(uart.DATA, value)

    def typed(self, count: int) -> bytes:
        """The guest reads its port until it has so many bytes."""
        got = b""
        while len(got) < count:
            assert self.heard.wait(SECONDS), f"only {got!r} came"
            with self.lock:
                self.heard.clear()
                while self.console.port.read(uart.LINE_STATUS) & uart.DATA_READY:
                    got += bytes([self.console.port.read(uart.DATA)])
        return got

    def reader(self) -> socket.socket:
        reader = socket.socket(socket.AF_UNIX)
        reader.settimeout(SECONDS)
        reader.connect(str(self.folder / "console"))
        return reader

    def ask(self, **question: object) -> Message:
        return ask(str(self.folder / "control"), question, "blue")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    with running.lock:
        running.console.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_RECEIVED)
    running.serve()
    yield running
    running.close()


def received(reader: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = reader.recv(1 << 16)
        assert more, f"closed after {got!r}"
        got += more
    return got


def test_what_the_guest_says_is_heard_by_all_and_logged(running: Running) -> None:
    one, other = running.reader(), running.reader()
    running.say(b"Linux version 6.12\n")
    assert received(one, 19) == received(other, 19) == b"Linux version 6.12\n"
    running.close()
    assert (running.folder / "log").read_bytes() == b"Linux version 6.12\n"
    one.close()
    other.close()


def test_a_new_reader_first_gets_what_was_said(running: Running) -> None:
    running.say(b"before ")
    with running.reader() as first:
        assert received(first, 7) == b"before "
        with running.reader() as late:
            running.say(b"after")
            assert received(late, 12) == b"before after"


def test_history_has_an_end(tmp_path: Path) -> None:
    console = Console(str(tmp_path / "log"), lambda level: None, threading.Lock())
    for value in b"old" + b"x" * HISTORY:
        console.port.write(uart.DATA, value)
    console.pass_on()
    ours, theirs = socket.socketpair()
    theirs.settimeout(SECONDS)
    console.attach(ours)
    got = b""
    while len(got) < HISTORY:
        got += theirs.recv(1 << 16)
        console.flush(ours)
    assert got == b"x" * HISTORY
    console.close()
    theirs.close()
    assert (tmp_path / "log").stat().st_size == HISTORY + 3


def test_what_is_typed_reaches_the_guest_however_long(running: Running) -> None:
    text = bytes(range(32, 127)) * 3
    with running.reader() as reader:
        reader.sendall(text)
        assert running.typed(len(text)) == text, "sixteen bytes at a time"


def test_a_reader_that_reads_nothing_is_let_go_and_nobody_waits_for_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "_SLOW_READER", 1000)
    with running.reader() as slow, running.reader() as quick:
        text = b"." * 400_000
        pump = threading.Thread(target=running.say, args=(text,))
        pump.start()
        assert received(quick, len(text)) == text
        pump.join()
        rest = 0
        while more := slow.recv(1 << 16):
            rest += len(more)
        assert 0 < rest < len(text)
    with running.reader() as again:
        assert received(again, HISTORY) == b"." * HISTORY


def test_readers_come_and_go_while_the_guest_speaks(running: Running) -> None:
    """One that leaves while something is sent to it must not keep its number in the selector."""
    for _ in range(30):
        reader = running.reader()
        running.say(b"tick ")
        reader.close()
        running.say(b"tock ")
    with running.reader() as last:
        running.say(b"end")
        got = b""
        while not got.endswith(b"end"):
            got += last.recv(1 << 16)
    assert got == b"tick tock " * 30 + b"end"


def test_questions(running: Running) -> None:
    running.link.answers = {"echo": lambda message: {"rows": [message.get("text")]}}
    assert running.ask(ask="echo", text="hello")["rows"] == ["hello"]
    told = running.ask(ask="nonsense")
    assert "nonsense" in str(told["error"]) and "echo" in str(told)


def test_a_problem_is_an_answer_and_the_next_question_is_heard(running: Running) -> None:
    def refuse(message: Message) -> Message:
        raise Problem("cannot", because="no", remedy="try")

    running.link.answers = {"do": refuse}
    conversation = Conversation(running_control(running))
    for _ in range(2):
        conversation.tell({"ask": "do"})
        answer = conversation.hear()
        assert answer is not None and "cannot" in str(answer)
    conversation.close()


def running_control(running: Running) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(SECONDS)
    stream.connect(str(running.folder / "control"))
    return stream


def test_a_big_answer_comes_whole_while_others_are_served(running: Running) -> None:
    rows = [{"text": "x" * 1000, "number": number} for number in range(900)]
    running.link.answers = {"all": lambda message: {"rows": rows}, "hi": lambda message: {}}
    conversation = Conversation(running_control(running))
    conversation.tell({"ask": "all"})
    running.ask(ask="hi")
    answer = conversation.hear()
    assert answer is not None and answer["rows"] == rows
    conversation.close()


@pytest.mark.parametrize("nonsense", [b"nonsense\n", b"[1]\n", b"\xff\xfe\n", b"{}\n"])
def test_nonsense_is_answered_and_does_no_harm(running: Running, nonsense: bytes) -> None:
    running.link.answers = {"hi": lambda message: {"rows": []}}
    with running_control(running) as stream:
        stream.sendall(nonsense)
        assert b"error" in stream.recv(1 << 16)
    assert running.ask(ask="hi")["rows"] == []


def test_who_leaves_in_the_middle_does_no_harm(running: Running) -> None:
    running.link.answers = {"big": lambda message: {"rows": ["x" * 100_000]}}
    for _ in range(5):
        with running_control(running) as stream:
            stream.sendall(b'{"ask": "big"}\n')
    assert running.ask(ask="big")["rows"] == ["x" * 100_000]


def test_a_device_that_is_wanted_back_is_noticed(tmp_path: Path) -> None:
    running = Running(tmp_path)
    event, seen = os.eventfd(0, os.EFD_NONBLOCK), threading.Event()

    def wanted() -> None:
        os.eventfd_read(event)
        seen.set()

    running.link.watch(event, wanted)
    running.serve()
    os.eventfd_write(event, 1)
    assert seen.wait(SECONDS)
    running.close()
    os.close(event)


def test_a_terminal_is_typed_at_and_written_to(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.console.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_RECEIVED)
    keys, typist = os.pipe()
    shown, screen = os.pipe()
    running.link.terminal(keys, screen)
    running.serve()
    os.write(typist, b"ls")
    assert running.typed(2) == b"ls"
    running.say(b"file")
    got = b""
    while len(got) < 4:
        got += os.read(shown, 10)
    os.close(typist)
    assert got == b"file"
    running.close()
    for descriptor in (keys, shown, screen):
        os.close(descriptor)


def test_no_terminal_but_a_plain_file(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with open(tmp_path / "keys", "w+") as keys:
        running.link.terminal(keys.fileno(), -1)
    running.close()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    running = Running(tmp_path)
    running.serve()
    with running.reader(), running.reader():
        running.ask(ask="anything")
        running.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_never_served_can_be_closed(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.say(b"last words")
    running.close()
    assert (tmp_path / "log").read_bytes() == b"last words"


# ---- whatever is asked, whoever asks


@pytest.mark.parametrize("bug", [KeyError("row"), AttributeError("x"), RecursionError(), OSError()])
def test_a_bug_in_an_answer_is_an_answer_and_the_next_question_is_heard(
    running: Running, bug: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(message: Message) -> Message:
        raise bug

    running.link.answers = {"do": broken, "hi": lambda message: {"rows": []}}
    for _ in range(20):
        assert "a bug" in running.ask(ask="do")["error"]["because"]
    assert running.ask(ask="hi") == {"rows": []}
    assert 1 <= capfd.readouterr().err.count("Traceback") <= 5, "it is said, and not each time"


def test_an_event_that_goes_wrong_ends_no_thread(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    running = Running(tmp_path)
    event = os.eventfd(0, os.EFD_NONBLOCK)

    def broken() -> None:
        os.eventfd_read(event)
        raise OverflowError("nobody thought of this")

    running.link.watch(event, broken)
    running.link.answers = {"hi": lambda message: {"rows": []}}
    running.serve()
    os.eventfd_write(event, 1)
    assert running.ask(ask="hi") == {"rows": []}
    running.close()
    os.close(event)
    assert "nobody thought of this" in capfd.readouterr().err


def test_the_declared_fields_of_a_question_are_checked(running: Running) -> None:
    heard: list[Message] = []
    running.link.answers = {"revoke": lambda message: heard.append(message) or {"rows": []}}
    wrong = running.ask(ask="revoke", function="0000:01:00.0", bar=7)
    assert "bar is 7" in wrong["error"]["because"] and not heard
    assert running.ask(ask="revoke", function="0000:01:00.0", bar=5) == {"rows": []}


def garbage(stream: socket.socket) -> None:
    chance = random.Random(25)
    while True:
        stream.sendall(chance.randbytes(10_000))


def without_end(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"x" * 10_000)


def deep(stream: socket.socket) -> None:
    stream.sendall(b"[" * 60_000 + b"\n")
    stream.recv(100_000)


def without_reading(stream: socket.socket) -> None:
    while True:
        stream.sendall(encode({"ask": "all"}))


def many_at_once(stream: socket.socket) -> None:
    while True:
        stream.sendall(encode({"ask": "hi"}) * 4000)


@pytest.mark.parametrize("hostile", [garbage, without_end, deep, without_reading, many_at_once])
def test_a_hostile_asker_is_let_go_and_the_others_are_answered(
    running: Running, hostile: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MOST_UNSENT", 1 << 20)
    rows = {"rows": [{"text": "x" * 10_000}]}
    running.link.answers = {"all": lambda message: rows, "hi": lambda message: {"rows": []}}

    def attack() -> None:
        with suppress(OSError), running_control(running) as stream:
            hostile(stream)

    crowd = [threading.Thread(target=attack) for _ in range(4)]
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd):
        assert running.ask(ask="hi") == {"rows": []}


def test_a_slow_asker_is_let_go_with_a_word(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.3)
    monkeypatch.setattr(link, "_LOOK", 0.05)
    with running_control(running) as silent, running_control(running) as slow:
        slow.sendall(b'{"ask": ')
        for stream, why in ((silent, "it asks nothing"), (slow, "its message has no end")):
            answer = json.loads(stream.recv(10_000))
            assert why in answer["error"]["because"]
            assert stream.recv(100) == b""


def test_there_are_so_many_askers_and_the_idlest_goes(running: Running) -> None:
    running.link.answers = {"hi": lambda message: {"rows": []}}
    with ExitStack() as held:
        first = held.enter_context(running_control(running))
        for _ in range(MOST_ASKERS + 5):
            held.enter_context(running_control(running))
        assert b"others want to ask" in first.recv(10_000)
        assert running.ask(ask="hi") == {"rows": []}


# ---- whoever reads and types


def test_there_are_so_many_readers(running: Running) -> None:
    with ExitStack() as held:
        readers = [held.enter_context(running.reader()) for _ in range(MOST_READERS + 1)]
        assert b"attached already" in received(readers[-1], 30)
        running.say(b"hello")
        assert received(readers[0], 5) == b"hello"
        readers.pop(0).close()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            again = held.enter_context(running.reader())
            if received(again, 5) == b"hello":
                return
        raise AssertionError("a place that is free again is not given")


def test_a_guest_that_reads_nothing_keeps_who_types_waiting(running: Running) -> None:
    """Not in our memory: whoever types is not heard any more until the guest takes some."""
    most, sent = console_module._MOST_TYPED, 0
    with running.reader() as reader:
        reader.setblocking(False)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                sent += reader.send(bytes([sent % 251]) * 4096)
            except BlockingIOError:
                if running.link._is_deaf:
                    break
                time.sleep(0.01)
        assert running.link._is_deaf
        assert len(running.console._typed) <= most + 2 * console_module.CHUNK
        running.link.answers = {"hi": lambda message: {"rows": []}}
        assert running.ask(ask="hi") == {"rows": []}, "others are served"
        for _ in range(1000):
            running.console._typed.clear()  # the guest has taken all
            with suppress(BlockingIOError):
                reader.send(b"more")
                return
            time.sleep(0.01)
        raise AssertionError("who types is not heard again")


def test_what_nobody_passes_on_is_bounded_and_said(tmp_path: Path) -> None:
    running = Running(tmp_path)
    for _ in range(console_module._MOST_FRESH + 1000):
        running.console.output(ord("x"))
    running.close()
    said = (tmp_path / "log").read_bytes()
    assert said.endswith(b"x\r\n[septum: 1,000 bytes were lost here]\r\n")


def test_who_is_attached_and_who_reads_the_log_go_on_when_it_begins_anew(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.console._log.size = 10_000
    running.serve()
    text = b"".join(b"line %05d\n" % number for number in range(3000))
    with running.reader() as reader, (tmp_path / "log").open("rb") as log:
        pump = threading.Thread(target=running.say, args=(text,))
        pump.start()
        assert received(reader, len(text)) == text
        pump.join()
        running.say(b"the end\n")
        assert received(reader, 8) == b"the end\n"
        running.close()
        log.seek(0)
        assert log.read().endswith(b"the end\n"), "the same file"
    kept = sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("log"))
    assert kept == ["log", "log.1", "log.2", "log.3"]
    whole = b"".join((tmp_path / name).read_bytes() for name in reversed(kept))
    assert text.endswith(whole.removesuffix(b"the end\n")), "none lost between two of them"
    assert len(whole) >= 30_000


def test_what_is_due_later_is_done_by_the_thread_that_answers(running: Running) -> None:
    done: list[tuple[str, str]] = []
    third = threading.Event()

    def note(name: str) -> None:
        done.append((name, threading.current_thread().name))
        if len(done) == 3:
            third.set()

    def answer(message: Message) -> Message:
        running.link.later(0.2, lambda: note("last"))
        running.link.later(0.0, lambda: note("at once"))
        running.link.later(0.1, lambda: note("between"))
        return {"rows": []}

    running.link.answers["later"] = answer
    running.ask(ask="later")
    assert third.wait(SECONDS)
    assert done == [(name, "blue link") for name in ("at once", "between", "last")]
    running.ask(ask="later")  # what is not due when it is closed is not done


def test_its_thread_gives_up_first_what_it_does_not_need(tmp_path: Path) -> None:
    running = Running(tmp_path)
    begun: list[str] = []
    running.link.listen(str(tmp_path / "control"), str(tmp_path / "console"))
    running.link.answers["who"] = lambda message: {"rows": list(begun)}
    running.link.begin(lambda: begun.append(threading.current_thread().name))
    try:
        assert running.ask(ask="who") == {"rows": ["blue link"]}
    finally:
        running.close()
