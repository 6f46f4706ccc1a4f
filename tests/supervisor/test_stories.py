"""Do up, ps and down do what they say, whatever dies or is interrupted meanwhile?"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.host import processes
from tests.supervisor.desk import Desk, a_desk, until

BLUE, GREEN = "0000:01:00.0", "0000:02:00.0"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        yield desk


def test_two_instances_start_are_listed_and_stop(desk: Desk) -> None:
    up = desk.type("up", desk.table("claim", "claim"))
    assert up.returncode == 0, up.stderr
    assert f"blue: claiming {BLUE}" in up.stdout
    assert "blue: running, 2 processors, 512M, 1 function" in up.stdout
    assert "green: running, 1 processor, 256M, 1 function" in up.stdout
    assert desk.claimed() == [BLUE, GREEN]

    rows = desk.rows()
    assert [rows[name]["state"] for name in ("blue", "green")] == ["running", "running"]
    assert rows["blue"]["functions"] == [BLUE]
    assert rows["blue"]["memory"] == 512 << 20
    assert rows["blue"]["uptime"] >= 0
    assert processes.process(rows["blue"]["pid"]).is_alive
    people = desk.type("ps").stdout.splitlines()
    assert people[0].split()[:3] == ["NAME", "STATE", "PID"]
    assert people[1].split()[:2] == ["blue", "running"]

    down = desk.type("down")
    assert down.returncode == 0, down.stderr
    assert "blue: stopped, powered off; everything is given back" in down.stdout
    assert desk.is_tidy()
    assert not list(Path(desk.directory.logs).glob("*.log.*")), "older logs that are empty"
    until("the supervisor leaves", lambda: not os.path.exists(desk.directory.control))
    assert desk.type("ps").stdout == "no instances\n"


def test_what_the_vmm_said_is_kept(desk: Desk) -> None:
    desk.type("up", desk.table("claim fail"), "blue")
    said = Path(desk.directory.messages_of("blue")).read_text().splitlines()
    assert [line.split()[2] for line in said[:2]] == ["stage", "ending"]
    assert f"claiming {BLUE}" in said[0] and "no kernel" in said[1]


def test_the_processes_have_names(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    number = desk.rows()["blue"]["pid"]
    assert Path(f"/proc/{number}/comm").read_text() == "septum:blue\n"
    supervisor = desk.supervisor()
    assert supervisor is not None
    assert Path(f"/proc/{supervisor.number}/comm").read_text() == "septum\n"


def test_an_instance_has_none_of_the_supervisors_files(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    desk.type("up", desk.table(), "green")
    number = desk.rows()["green"]["pid"]
    files = [os.readlink(f"/proc/{number}/fd/{n}") for n in os.listdir(f"/proc/{number}/fd")]
    # Its own: reports to the supervisor, and the two sockets it listens at.
    assert sum(file.startswith("socket:") for file in files) == 3
    assert not [file for file in files if "epoll" in file or "pidfd" in file]


def test_ps_and_down_without_a_supervisor(desk: Desk) -> None:
    listing = desk.type("ps", "--json")
    assert (listing.returncode, json.loads(listing.stdout)) == (0, [])
    down = desk.type("down")
    assert down.returncode == 1
    assert "nothing runs" in down.stderr and "try:" in down.stderr


def test_down_of_a_table_stops_its_instances(desk: Desk) -> None:
    table = desk.table()
    assert desk.type("up", table).returncode == 0
    down = desk.type("down", table)
    assert down.returncode == 0, down.stderr
    assert "blue: stopped" in down.stdout and "green: stopped" in down.stdout
    assert desk.is_tidy()


def test_down_of_a_table_is_about_those_of_it_that_run(desk: Desk) -> None:
    """Who was ended by name before is no reason to leave the rest."""
    table = desk.table()
    desk.type("up", table)
    desk.type("down", "green")
    down = desk.type("down", table)
    assert down.returncode == 0, down.stderr
    assert "blue: " in down.stdout and "green" not in down.stdout
    assert desk.is_tidy()


def test_down_of_a_table_of_which_nothing_runs(desk: Desk) -> None:
    table = desk.table()
    desk.type("up", table, "blue")
    other = desk.root / "other.toml"
    other.write_text(Path(table).read_text().replace("blue", "red").replace("green", "grey"))
    down = desk.type("down", str(other))
    assert down.returncode == 1
    assert "no instance of" in down.stderr and "the instances are blue" in down.stderr
    assert desk.rows()["blue"]["state"] == "running"


def test_down_of_an_unknown_instance_names_those_there_are(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    down = desk.type("down", "red")
    assert down.returncode == 1
    assert "red does not run" in down.stderr and "blue" in down.stderr
    assert desk.rows()["blue"]["state"] == "running"


def test_up_twice_is_refused_and_disturbs_nobody(desk: Desk) -> None:
    table = desk.table()
    desk.type("up", table)
    before = desk.rows()
    again = desk.type("up", table)
    assert again.returncode == 1
    assert "blue runs already" in again.stderr
    after = desk.rows()
    assert {name: row["pid"] for name, row in after.items()} == {
        name: row["pid"] for name, row in before.items()
    }


def test_one_instance_then_the_other(desk: Desk) -> None:
    table = desk.table()
    assert desk.type("up", table, "blue").returncode == 0
    assert desk.type("up", table, "green").returncode == 0
    assert desk.type("down", "blue").returncode == 0
    assert list(desk.rows()) == ["green"]


def test_another_table_cannot_have_what_a_running_instance_owns(desk: Desk) -> None:
    table = Path(desk.table())
    desk.type("up", str(table), "blue")
    table.write_text(table.read_text().replace("instances.blue", "instances.red"))
    up = desk.type("up", str(table), "red")
    assert up.returncode == 1
    assert f"red cannot have {BLUE}" in up.stderr and "blue owns it" in up.stderr
    assert list(desk.rows()) == ["blue"]


def test_up_of_an_instance_the_table_has_not(desk: Desk) -> None:
    up = desk.type("up", desk.table(), "red")
    assert up.returncode == 1
    assert "has no instance red" in up.stderr
    assert not os.path.exists(desk.directory.control)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("claim fail", "no kernel"),
        ("claim bug", "a bug, ZeroDivisionError: nobody thought of this"),
        ("claim crash", "its process was ended by SIGKILL"),
    ],
)
def test_a_failed_start_is_one_instances_alone(desk: Desk, words: str, reason: str) -> None:
    up = desk.type("up", desk.table(words, "claim"))
    assert up.returncode == 1
    assert "blue: failed: " + reason in up.stdout
    assert "green: running" in up.stdout
    rows = desk.rows()
    assert rows["blue"]["state"] == "failed" and reason in rows["blue"]["ending"]
    assert rows["green"]["state"] == "running"
    assert desk.claimed() == [GREEN]
    # It may be tried again while the other runs.
    assert desk.type("up", desk.table(), "blue").returncode == 0


def test_a_killed_instance_gives_everything_back_and_the_other_runs_on(desk: Desk) -> None:
    desk.type("up", desk.table("claim", "claim"))
    before = desk.rows()
    os.kill(before["blue"]["pid"], signal.SIGKILL)
    until("blue has failed", lambda: desk.rows()["blue"]["state"] == "failed")
    rows = desk.rows()
    assert "SIGKILL" in rows["blue"]["ending"]
    assert rows["green"]["pid"] == before["green"]["pid"]
    assert rows["green"]["state"] == "running"
    assert desk.claimed() == [GREEN]
    assert not os.path.exists(desk.directory.control_of("blue"))


def kill_supervisor_and_heir(desk: Desk) -> None:
    """Nobody is left who would give anything back."""
    heir, supervisor = processes.read_process(desk.directory.heir), desk.supervisor()
    assert heir is not None and supervisor is not None
    for one in (heir, supervisor):
        os.kill(one.number, signal.SIGKILL)


def test_a_dead_supervisor_s_heir_tidies_after_it(desk: Desk) -> None:
    desk.type("up", desk.table("claim", "claim"))
    numbers = [processes.process(row["pid"]) for row in desk.rows().values()]
    heir, supervisor = processes.read_process(desk.directory.heir), desk.supervisor()
    assert heir is not None and supervisor is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(heir.number, number)  # as whoever stops all of a group
    os.kill(supervisor.number, signal.SIGKILL)
    until("all is given back", desk.is_tidy)
    assert not any(one.is_alive for one in numbers)
    until("it leaves", lambda: not heir.is_alive)
    assert not os.path.exists(desk.directory.heir)
    log = Path(desk.directory.logs, "supervisor.log").read_text()
    assert f"{BLUE}: given back to Linux" in log and "blue: " in log
    assert desk.type("up", desk.table(), "blue").returncode == 0


def test_an_heir_leaves_with_a_supervisor_that_leaves(desk: Desk) -> None:
    desk.type("up", desk.table("claim"), "blue")
    heir = processes.read_process(desk.directory.heir)
    assert heir is not None and heir.is_alive
    assert desk.type("down").returncode == 0
    until("it leaves too", lambda: not heir.is_alive)
    assert not os.path.exists(desk.directory.heir)


def test_what_a_dead_supervisor_left_is_cleaned_up_by_the_next_command(desk: Desk) -> None:
    table = desk.table("claim", "claim")
    desk.type("up", table)
    numbers = [processes.process(row["pid"]) for row in desk.rows().values()]
    kill_supervisor_and_heir(desk)
    until("the instances end with it", lambda: not any(one.is_alive for one in numbers))
    assert desk.claimed() == [BLUE, GREEN]

    again = desk.type("up", table)
    assert again.returncode == 0, again.stderr
    assert f"{BLUE}: given back to Linux" in again.stdout
    assert "blue: running" in again.stdout


@pytest.mark.parametrize("command", ["ps", "down"])
def test_ps_and_down_clean_up_too(desk: Desk, command: str) -> None:
    desk.type("up", desk.table("claim", "claim"))
    kill_supervisor_and_heir(desk)
    assert desk.type(command).returncode == 0
    assert desk.is_tidy()
    assert not os.path.exists(desk.directory.control)


def test_an_orphan_that_does_not_listen_is_ended(desk: Desk) -> None:
    """Stopped by SIGSTOP, it cannot clean up by itself; SIGKILL reaches it."""
    desk.type("up", desk.table("claim deaf"), "blue")
    number = desk.rows()["blue"]["pid"]
    kill_supervisor_and_heir(desk)
    listing = desk.type("ps", environment={"SEPTUM_PATIENCE": "0.2"})
    assert listing.returncode == 0
    assert not processes.process(number).is_alive
    assert desk.is_tidy()


def interrupt(desk: Desk, words: list[str], at: str, **environment: str) -> None:
    """Ctrl-C once `up` has printed a line; it has to end with 130."""
    process = desk.start("up", *words, environment=environment)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if at in line:
            break
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, (lines, out, error)
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("blue", "green", "at"),
    [
        ("claim wait={never}", "claim", "waiting for never"),
        ("claim wait={never}", "claim", "green: running"),
        ("wait={never} claim", "wait={never}", "blue: waiting"),
    ],
)
def test_an_interrupted_up_takes_back_all_it_started(
    desk: Desk, blue: str, green: str, at: str
) -> None:
    never = str(desk.root / "never")
    table = desk.table(blue.format(never=never), green.format(never=never))
    interrupt(desk, [table], at)
    assert desk.is_tidy()
    assert desk.rows() == {}


def test_an_interrupted_up_says_what_did_not_come_back(desk: Desk) -> None:
    never = str(desk.root / "never")
    desk.environment["SEPTUM_STUBBORN"] = BLUE
    process = desk.start("up", desk.table(f"claim wait={never}", "claim"))
    assert process.stdout is not None
    for line in process.stdout:
        if "blue: waiting" in line:
            break
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert f"interrupted: not given back: {BLUE}" in out and "everything this command" not in out
    assert desk.claimed() == [BLUE]


def test_an_up_interrupted_before_it_starts_anything(desk: Desk) -> None:
    table = desk.table()
    interrupt(desk, [table], "reading", SEPTUM_HOLD=str(desk.root / "never"))
    assert not os.path.exists(desk.directory.control)


def test_these_tests_may_run_in_the_background(desk: Desk) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for a job
    try:
        interrupt(desk, [desk.table()], "reading", SEPTUM_HOLD=str(desk.root / "never"))
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupted_up_leaves_those_alone_that_ran_before(desk: Desk) -> None:
    table = desk.table("claim", f"claim wait={desk.root / 'never'}")
    desk.type("up", table, "blue")
    before = desk.rows()["blue"]["pid"]
    interrupt(desk, [table, "green"], "waiting")
    rows = desk.rows()
    assert list(rows) == ["blue"] and rows["blue"]["pid"] == before
    assert desk.claimed() == [BLUE]


def test_a_killed_up_takes_back_too(desk: Desk) -> None:
    process = desk.start("up", desk.table(f"claim wait={desk.root / 'never'}"), "blue")
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting" in line:
            break
    process.kill()
    process.communicate()
    until("all is given back", desk.is_tidy)
    until("the supervisor leaves", lambda: not os.path.exists(desk.directory.control))


def test_down_says_what_did_not_come_back(desk: Desk) -> None:
    table = desk.table("claim", "claim")
    desk.type("up", table, environment={"SEPTUM_STUBBORN": BLUE})
    down = desk.type("down")
    assert down.returncode == 1
    assert f"blue: stopped, powered off; not given back: {BLUE}" in down.stdout
    assert "green: stopped, powered off; everything is given back" in down.stdout
    assert "and no driver has it now" in down.stdout
    assert desk.claimed() == [BLUE], "the journal keeps what is not back"

    until("the supervisor leaves", lambda: not os.path.exists(desk.directory.control))
    again = desk.type("ps", environment={"SEPTUM_STUBBORN": BLUE})
    assert again.returncode == 1 and f"cannot give {BLUE} back" in again.stderr
    still = desk.type("down", environment={"SEPTUM_STUBBORN": BLUE})
    assert still.returncode == 1 and desk.claimed() == [BLUE]
    assert f"{BLUE}: given back to Linux" in desk.type("ps").stderr
    assert desk.is_tidy()


def test_ps_says_what_a_killed_instance_did_not_give_back(desk: Desk) -> None:
    desk.environment["SEPTUM_STUBBORN"] = BLUE
    desk.type("up", desk.table("claim", "claim"))
    os.kill(desk.rows()["blue"]["pid"], signal.SIGKILL)
    until("blue has failed", lambda: desk.rows()["blue"]["state"] == "failed")
    row = desk.rows()["blue"]
    assert row["kept"] == [BLUE] and row["ending"].endswith(f"; not given back: {BLUE}")
    assert desk.rows()["green"]["kept"] == []
    down = desk.type("down", "green")
    assert down.returncode == 0
    assert "green: stopped, powered off; everything is given back" in down.stdout
    assert desk.type("ps").returncode == 1


def test_ps_tries_again_beside_a_supervisor(desk: Desk) -> None:
    desk.environment["SEPTUM_STUBBORN"] = BLUE
    desk.type("up", desk.table("claim", "claim"))
    os.kill(desk.rows()["blue"]["pid"], signal.SIGKILL)
    until("blue has failed", lambda: desk.rows()["blue"]["state"] == "failed")
    del desk.environment["SEPTUM_STUBBORN"]
    ps = desk.type("ps")
    assert ps.returncode == 0 and f"{BLUE}: given back to Linux" in ps.stderr
    assert "not given back" not in ps.stdout and desk.rows()["blue"]["kept"] == []
    assert desk.rows()["green"]["state"] == "running" and desk.claimed() == [GREEN]
    down = desk.type("down")
    assert down.returncode == 0 and "blue: failed" in down.stdout


def test_an_entry_that_nobody_can_read_is_never_taken_for_none(desk: Desk) -> None:
    desk.directory.make()
    damaged = desk.root / "run" / "claims" / f"{BLUE}.json"
    damaged.write_text("{")
    for word in ("ps", "down"):
        done = desk.type(word)
        assert done.returncode == 1, word
        assert "is damaged" in done.stdout + done.stderr
    assert damaged.exists()


def test_down_looks_at_what_ran_in_the_foreground(desk: Desk) -> None:
    stubborn = {"SEPTUM_STUBBORN": BLUE}
    table = desk.table(f"claim wait={desk.root / 'never'}")
    process = desk.start("run", "-v", table, "blue", environment=stubborn)
    assert process.stderr is not None
    until("it has claimed", lambda: desk.claimed() == [BLUE])
    down = desk.type("down", "blue", environment=stubborn)
    process.communicate(timeout=60)
    assert down.returncode == 1
    assert f"in the foreground; not given back: {BLUE}" in down.stdout
    assert desk.claimed() == [BLUE]


def test_a_deaf_instance_is_ended(desk: Desk) -> None:
    never = desk.root / "never"
    desk.type("up", desk.table("claim powered-off"), "blue", environment={"SEPTUM_PATIENCE": "0.3"})
    process = desk.start("up", desk.table(green=f"claim deaf wait={never}"), "green")
    until("green starts", lambda: desk.rows().get("green", {}).get("state") == "starting")
    until("it is deaf", lambda: desk.claimed() == [GREEN])
    down = desk.type("down", "green")
    assert down.returncode == 0
    assert "SIGKILL" in down.stdout
    assert desk.claimed() == []
    assert process.wait(60) == 1
    process.communicate()


def test_an_instance_that_powers_off_is_kept_for_ps_until_down(desk: Desk) -> None:
    desk.type("up", desk.table("powered-off"), "blue")
    until("blue ends", lambda: desk.rows()["blue"]["state"] == "stopped")
    assert desk.rows()["blue"]["ending"] == "powered off"
    down = desk.type("down", "blue")
    assert "blue: stopped, powered off" in down.stdout
    assert desk.rows() == {}


def test_a_reset_starts_it_again(desk: Desk) -> None:
    reset = desk.root / "reset"
    desk.type("up", desk.table(f"reset={reset}"), "blue")
    before = desk.rows()["blue"]["pid"]
    reset.write_text("")

    def runs_anew() -> bool:
        row = desk.rows()["blue"]
        return bool(row["state"] == "running") and row["pid"] != before

    until("blue runs again", runs_anew)
    assert desk.type("down").returncode == 0


def test_a_reset_stops_it_where_the_table_says_so(desk: Desk) -> None:
    reset = desk.root / "reset"
    table = Path(desk.table(f"reset={reset}"))
    table.write_text(
        table.read_text()
        .replace("[0, 1]", "[0, 1]", 1)
        .replace("[instances.green]", 'on_reboot = "stop"\n\n[instances.green]')
    )
    desk.type("up", str(table), "blue")
    reset.write_text("")
    until("blue ends", lambda: desk.rows()["blue"]["state"] == "stopped")
    assert desk.rows()["blue"]["ending"] == "reset"


def test_a_supervisor_told_to_end_stops_its_instances(desk: Desk) -> None:
    desk.type("up", desk.table("claim", "claim"))
    supervisor = desk.supervisor()
    assert supervisor is not None
    os.kill(supervisor.number, signal.SIGTERM)
    until("it ends", lambda: not supervisor.is_alive)
    assert desk.is_tidy()


def test_a_request_that_makes_no_sense_disturbs_nobody(desk: Desk) -> None:
    from septum.host.channel import ask

    desk.type("up", desk.table(), "blue")
    for nonsense in ({"ask": "dance"}, {"ask": "up"}, {"ask": "down", "within": "soon"}, {}):
        assert "error" in ask(desk.directory.control, nonsense, "the supervisor")
    assert desk.rows()["blue"]["state"] == "running"


def test_show_asks_each_instance(desk: Desk) -> None:
    table = desk.table()
    desk.type("up", table)
    shown = desk.type("show", "interrupts", table, "--json")
    assert [row["instance"] for row in json.loads(shown.stdout)] == ["blue", "green"]
    people = desk.type("show", "interrupts").stdout.splitlines()
    assert people[0].split() == ["INSTANCE", "REQUEST", "COUNT", "HANDLED", "BY"]
    assert people[1].split() == ["blue", "MSI-X", "0", "12", "instance"]
    assert desk.type("show", "probes", "blue").stdout == "no probes\n"


def test_show_reports_who_does_not_answer(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    shown = desk.type("show", "exits", "blue")
    assert shown.returncode == 1 and "no exits yet" in shown.stderr
    missing = desk.type("show", "interrupts", "blue", "green")
    assert missing.returncode == 1
    assert "green does not run" in missing.stderr and "MSI-X" in missing.stdout


def test_revoke_tells_the_instance(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    revoked = desk.type("revoke", "blue", "01:00.0", "--bar", "0", "--hold", "2", "--json")
    (row,) = json.loads(revoked.stdout)
    assert (row["function"], row["bar"], row["hold"]) == (BLUE, 0, 2.0)
    wrong = desk.type("revoke", "blue", "here")
    assert wrong.returncode == 1 and "is no function" in wrong.stderr


def test_run_in_the_foreground(desk: Desk) -> None:
    ran = desk.type("run", "-v", desk.table("claim powered-off"), "blue")
    assert ran.returncode == 0, ran.stderr
    assert "blue: running" in ran.stderr
    failed = desk.type("run", desk.table("fail"), "blue")
    assert failed.returncode == 1 and "no kernel" in failed.stderr
    assert desk.directory.instances() == []


def test_run_and_up_do_not_start_one_instance_twice(desk: Desk) -> None:
    table = desk.table(f"wait={desk.root / 'never'}")
    process = desk.start("run", "-v", table, "blue")
    assert process.stderr is not None
    assert "waiting" in process.stderr.readline()
    assert "blue runs already" in desk.type("run", table, "blue").stderr
    assert desk.rows()["blue"]["pid"] == process.pid
    assert os.path.exists(desk.directory.alone_of("blue")), "ps must not clean up after it"
    up = desk.type("up", table, "blue")
    assert up.returncode == 1 and "blue runs already" in up.stdout + up.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not os.path.exists(desk.directory.instance("blue"))


def test_run_gives_back_when_its_terminal_goes(desk: Desk) -> None:
    """A closed window or a lost login, with SIGHUP and a terminal that takes nothing any more."""
    ours, theirs = os.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    table = desk.table(f"wait={desk.root / 'never'}")
    process = desk.start(
        "run", "-v", table, "blue", stdin=theirs, stdout=theirs, stderr=theirs,
        preexec_fn=own_terminal, pass_fds=(theirs,),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"waiting" not in said:
        said += os.read(ours, 1000)
    assert os.path.exists(desk.directory.alone_of("blue"))
    os.close(ours)
    process.wait(timeout=60)
    assert process.returncode == 130
    assert not os.path.exists(desk.directory.instance("blue"))


def test_down_ends_one_that_runs_in_the_foreground(desk: Desk) -> None:
    process = desk.start("run", "-v", desk.table(f"wait={desk.root / 'never'}"), "blue")
    assert process.stderr is not None
    assert "waiting" in process.stderr.readline()
    down = desk.type("down", "blue")
    assert down.returncode == 0 and "blue: unplugged" in down.stdout
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert desk.is_tidy()
