"""Does the supervisor survive whatever a client or an instance sends, and answer the others?"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from septum.host.channel import Conversation, ask, connect, listen
from septum.messages import encode
from tests.supervisor.desk import Desk, a_desk, until
from tests.supervisor.fakes import NONSENSE

ANSWER_SECONDS = 10.0  # that a command may take beside hostile clients, on a machine that is busy
PATIENCE = 2.0  # seconds a supervisor of these tests has with an asker


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        desk.environment["SEPTUM_ASKER_PATIENCE"] = str(PATIENCE)
        yield desk


def stream_to(desk: Desk) -> socket.socket:
    stream = connect(desk.directory.control)
    assert stream is not None
    stream.settimeout(ANSWER_SECONDS)
    return stream


def listing(desk: Desk) -> list[str]:
    """What the supervisor lists, and in time."""
    answer = ask(desk.directory.control, {"ask": "list"}, "the supervisor", ANSWER_SECONDS)
    return [row["name"] for row in answer["rows"]]


def said(desk: Desk) -> str:
    return (Path(desk.directory.logs) / "supervisor.log").read_text()


# ---- hostile clients: each gets a stream, and a word that says whether to go on

Client = Callable[[socket.socket, threading.Event], None]


def malformed(stream: socket.socket, is_over: threading.Event) -> None:
    generator = random.Random(25)
    while not is_over.is_set():
        stream.sendall(generator.randbytes(4096) + b"\n")


def huge(stream: socket.socket, is_over: threading.Event) -> None:
    stream.sendall(b'{"ask": "up", "platform": "')
    while not is_over.is_set():
        stream.sendall(b"x" * (1 << 20))


def deep(stream: socket.socket, is_over: threading.Event) -> None:
    while not is_over.is_set():
        stream.sendall(b'{"ask": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")


def endless(stream: socket.socket, is_over: threading.Event) -> None:
    """Questions as fast as they go, whose answers nobody reads."""
    while not is_over.is_set():
        stream.sendall(encode({"ask": "list"}) * 200)


def eager(stream: socket.socket, is_over: threading.Event) -> None:
    """As many questions as it is let ask."""
    conversation = Conversation(stream)
    while not is_over.is_set():
        conversation.tell({"ask": "list"})
        if conversation.hear() is None:
            return


def slow(stream: socket.socket, is_over: threading.Event) -> None:
    for byte in b'{"ask": "list", "patience": "' + b"." * 10_000:
        stream.sendall(bytes([byte]))
        if is_over.wait(0.1):
            return


def silent(stream: socket.socket, is_over: threading.Event) -> None:
    is_over.wait()


def wrong(stream: socket.socket, is_over: threading.Event) -> None:
    """Messages that are well formed and make no sense."""
    fields = ({"within": 1e300}, {"within": []}, {"names": [["blue"]]}, {"partitions": [{}]}, {})
    conversation = Conversation(stream)
    while not is_over.is_set():
        for word in ("down", "up", "list", "take back", "", None, 10**100, {}):
            for more in fields:
                conversation.tell({"ask": word, **more})
                if conversation.hear() is None:
                    return


CLIENTS: tuple[Client, ...] = (malformed, huge, deep, endless, eager, slow, silent, wrong)


def besiege(desk: Desk, client: Client, is_over: threading.Event) -> None:
    """Be this client, again whenever the supervisor has sent it away."""
    while not is_over.is_set():
        with suppress(OSError), stream_to(desk) as stream:
            client(stream, is_over)
        is_over.wait(0.05)


def test_hostile_clients_keep_nobody_from_an_answer(desk: Desk) -> None:
    assert desk.type("up", desk.table(), "blue").returncode == 0
    supervisor = desk.supervisor()
    is_over = threading.Event()
    crowd = [
        threading.Thread(target=besiege, args=(desk, client, is_over), daemon=True)
        for client in CLIENTS * 2
    ]
    slowest = 0.0
    try:
        for one in crowd:
            one.start()
        end = time.monotonic() + 3 * PATIENCE
        while time.monotonic() < end:
            began = time.monotonic()
            assert listing(desk) == ["blue"]
            slowest = max(slowest, time.monotonic() - began)
        assert desk.type("up", desk.table(), "green").returncode == 0
        assert desk.type("down", "green").returncode == 0
    finally:
        is_over.set()
        for one in crowd:
            one.join(ANSWER_SECONDS)
    assert slowest < ANSWER_SECONDS
    assert supervisor is not None and supervisor == desk.supervisor() and supervisor.is_alive
    assert desk.rows()["blue"]["state"] == "running"
    log = said(desk)
    assert "more like it" in log or log.count("an asker was let go") > 3
    assert len(log) < 100_000, "what they did is said, and not each time"
    memory = int(Path(f"/proc/{supervisor.number}/statm").read_text().split()[1]) * 4096
    assert memory < 300 << 20


@pytest.mark.parametrize("client", [slow, silent], ids=lambda client: client.__name__)
def test_who_is_slow_is_let_go_with_a_word(desk: Desk, client: Client) -> None:
    assert desk.type("up", desk.table(), "blue").returncode == 0
    is_over = threading.Event()
    with stream_to(desk) as stream:
        thread = threading.Thread(target=suppressed, args=(client, stream, is_over))
        thread.start()
        answer = Conversation(stream).hear()
        is_over.set()
        thread.join()
    assert answer is not None and "seconds" in answer["error"]["because"]


def suppressed(client: Client, stream: socket.socket, is_over: threading.Event) -> None:
    with suppress(OSError):
        client(stream, is_over)


def test_who_reads_nothing_is_let_go(desk: Desk) -> None:
    assert desk.type("up", desk.table(), "blue").returncode == 0
    with stream_to(desk) as stream:
        for _ in range(100):  # 20 answers at a time until no more of them find room
            with suppress(OSError):
                stream.sendall(encode({"ask": "list"}) * 20)
            time.sleep(0.01)
        until("it is let go", lambda: "it does not read what it is told" in said(desk))
    assert listing(desk) == ["blue"]


def test_who_waits_for_its_start_is_not_let_go(desk: Desk) -> None:
    gate = desk.root / "gate"
    process = desk.start("up", desk.table(f"wait={gate}"), "blue")
    until("blue starts", lambda: desk.rows().get("blue", {}).get("state") == "starting")
    time.sleep(2 * PATIENCE)
    gate.write_text("")
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "blue: running" in out


def test_without_a_file_left_nobody_is_let_in_and_nothing_ends(desk: Desk) -> None:
    """EMFILE at accept(2): who knocks is sent away, and the loop neither ends nor spins."""
    assert desk.type("up", desk.table(), "blue").returncode == 0
    supervisor = desk.supervisor()
    assert supervisor is not None
    used = {int(number) for number in os.listdir(f"/proc/{supervisor.number}/fd")}
    free = next(number for number in itertools.count() if number not in used)
    before = resource.prlimit(supervisor.number, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor.number, resource.RLIMIT_NOFILE, (free, before[1]))
    with stream_to(desk) as stream, suppress(OSError):
        stream.sendall(encode({"ask": "list"}))
        assert stream.recv(100) == b""
    busy = cpu_seconds(supervisor.number)
    time.sleep(1.0)
    assert cpu_seconds(supervisor.number) - busy < 0.5
    resource.prlimit(supervisor.number, resource.RLIMIT_NOFILE, before)
    assert listing(desk) == ["blue"]


def cpu_seconds(number: int) -> float:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_more_askers_than_there_may_be(desk: Desk) -> None:
    assert desk.type("up", desk.table(), "blue").returncode == 0
    with ExitStack() as held:
        first = held.enter_context(stream_to(desk))
        for _ in range(100):
            held.enter_context(stream_to(desk))
        answer = Conversation(first).hear()
        assert answer is not None and "others want to ask" in answer["error"]["because"]
        assert listing(desk) == ["blue"]


def test_a_down_that_never_ends_is_refused(desk: Desk) -> None:
    assert desk.type("up", desk.table(), "blue").returncode == 0
    for words in (b"1e999", b"NaN", b"Infinity", b"3000000", b"-1", b"9" * 400):
        with stream_to(desk) as stream:
            stream.sendall(b'{"ask": "down", "names": ["blue"], "within": ' + words + b"}\n")
            assert b"error" in stream.recv(10_000)
    assert desk.rows()["blue"]["state"] == "running"
    for words in ("inf", "nan", "3000000"):
        down = desk.type("down", "blue", "--within", words)
        assert down.returncode != 0 and "within" in down.stderr


# ---- hostile instances


@pytest.mark.parametrize("kind", [kind for kind in NONSENSE if kind != "surrogates"])
def test_an_instance_that_reports_nonsense_is_alone_with_it(desk: Desk, kind: str) -> None:
    """Before it runs: it never will. The other one runs on, and so does the supervisor."""
    assert desk.type("up", desk.table(), "green").returncode == 0
    up = desk.type("up", desk.table(f"claim says={kind}"), "blue")
    assert up.returncode == 1
    rows = desk.rows()
    assert rows["green"]["state"] == "running"
    assert rows["blue"]["state"] == "failed"
    assert "not heeded" in rows["blue"]["ending"] or "no sense" in rows["blue"]["ending"]
    assert desk.claimed() == [], "what it had is given back"


def test_an_instance_that_turns_runs_on_unheard(desk: Desk) -> None:
    assert desk.type("up", desk.table("running says=bytes"), "blue").returncode in (0, 1)
    assert desk.type("up", desk.table(), "green").returncode == 0
    rows = desk.rows()
    assert rows["blue"]["state"] == rows["green"]["state"] == "running"
    down = desk.type("down", "blue")
    assert down.returncode == 0 and "not heeded any more" in down.stdout
    assert desk.rows()["green"]["state"] == "running"


def test_what_an_instance_reports_is_made_readable(desk: Desk) -> None:
    up = desk.type("up", desk.table("says=surrogates"), "blue")
    assert up.returncode == 0
    assert "blue: ??" in up.stdout and "\x1b" not in up.stdout


def test_an_instance_that_floods_its_supervisor_is_cut_off(desk: Desk) -> None:
    assert desk.type("up", desk.table(), "green").returncode == 0
    up = desk.type("up", desk.table("flood"), "blue")
    assert up.returncode == 0, up.stderr
    assert len(up.stdout) < 100_000
    supervisor = desk.supervisor()
    assert supervisor is not None
    until("it is cut off", lambda: "it reports too much" in said(desk))
    busy = cpu_seconds(supervisor.number)
    time.sleep(1.0)
    assert cpu_seconds(supervisor.number) - busy < 0.5
    assert [row["state"] for row in desk.rows().values()] == ["running", "running"]
    assert desk.type("down").returncode == 0
    assert json.loads(desk.type("ps", "--json").stdout) == []


def test_an_instance_that_falls_silent_before_it_runs_is_ended(tmp_path: Path) -> None:
    """Its reports are closed, and it goes on: nobody would ever hear that it runs."""
    from tests.supervisor.test_loop import Instances

    one = Instances(tmp_path)
    one.theirs.close()
    one.keeper.reported(one.instance, one.child)
    assert not one.is_heard
    assert one.instance.last_resort is not None
    assert one.instance.last_resort[1] == one.keeper.terminate
    one.keeper.selector.close()
    one.child.reports.close()


# ---- a hostile supervisor


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\n",
        b"[" * 100_000 + b"\n",
        b'{"rows": 7}\n',
        b'{"rows": [7]}\n',
        b'{"event": "dance", "instance": "blue"}\n',
        b'{"event": "stage", "instance": "../blue", "text": "x"}\n',
        b'{"done": "yes"}\n',
        b'{"rows": [{}], "done": true, "gone": false}\n',
        b'{"rows": [{"name": "blue", "state": "running", "kept": 7}]}\n',
        b'{"error": 7}\n',
        b'{"error": {"what": ["x"]}}\n',
        b"x" * (17 << 20),
        b"",
    ],
    ids=lambda answer: answer[:24].decode(),
)
def test_a_command_says_what_is_wrong_with_an_answer(desk: Desk, answer: bytes) -> None:
    desk.directory.make()
    with listen(desk.directory.control) as server:
        server.setblocking(True)

        def serve() -> None:
            while True:
                with server.accept()[0] as stream, suppress(OSError):
                    stream.recv(1 << 16)
                    stream.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        for words in (("ps",), ("down", "blue"), ("up", desk.table(), "blue")):
            typed = desk.type(*words)  # which looks for a traceback
            assert typed.returncode == 1 and typed.stderr.startswith("septum: "), words
        # One who leaves without an answer stays a socket's file, as a dead supervisor's does.
    os.unlink(desk.directory.control)
