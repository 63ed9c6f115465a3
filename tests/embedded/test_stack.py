"""The embedded servers come up, stay alone, and leave nothing behind, however their owner ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from embedded.ports import refuse_taken
from embedded.stack import ROOT, Stack, StackError

SECONDS = 30


@contextmanager
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A process that owns a stack on `folder`, with the addresses of its servers."""
    argv = [sys.executable, "-m", "tests.embedded.parent", str(folder)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            database_url, redis_url = json.loads(process.stdout.readline())
            yield process, database_url, redis_url
        finally:
            if process.poll() is None:
                process.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A stack's folder; what root had to keep elsewhere goes with it."""
    yield tmp_path
    if (tmp_path / "postgres.place").exists():
        place = data_folder(tmp_path).parent
        shutil.rmtree(place)
        place.with_suffix(".run").unlink(missing_ok=True)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The owner's guards, programs and their children."""
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) >= 6
    return found


def remember(database_url: str, redis_url: str) -> None:
    """Leave something in both servers."""
    with psycopg.connect(database_url) as connection:
        connection.execute("create table if not exists mark as select 7 as value")
    with Redis.from_url(redis_url) as client:
        client.set("mark", 7)
        client.waitaof(1, 0, 5000)


def remembered(stack: Stack) -> bool:
    """Whether both servers still have it."""
    with psycopg.connect(stack.database_url) as connection, Redis.from_url(stack.redis_url) as client:
        return connection.execute("select value from mark").fetchone() == (7,) and client.get("mark") == b"7"


def test_both_servers_answer_and_the_application_is_no_superuser(folder: Path) -> None:
    with Stack(folder, durable=False, environment={}) as stack:
        with psycopg.connect(stack.database_url) as connection:
            assert connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (
                False,
            )
            assert connection.execute("show timezone").fetchone() == ("UTC",)
        with Redis.from_url(stack.redis_url) as client:
            assert client.ping()


def test_a_database_is_made_from_a_template_and_dropped_while_connected(folder: Path) -> None:
    with Stack(folder, durable=False, environment={}) as stack:
        with psycopg.connect(stack.create_database("first")) as connection:
            connection.execute("create table mark as select 7 as value")
        connection = psycopg.connect(stack.create_database("second", template="first"))
        assert connection.execute("select value from mark").fetchone() == (7,)
        stack.drop_database("second")
        connection.close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(stack.database_url.replace("/countinghouse", "/second"))


def test_servers_of_ones_own_are_used_instead(folder: Path) -> None:
    given = {
        "DB_HOST": "db.example",
        "DB_USERNAME": "me",
        "DB_PASSWORD": "a/b",
        "DB_DATABASE": "bills",
        "REDIS_URL": "redis://r",
    }
    with Stack(folder, environment=given) as stack:
        assert stack.database_url == "postgresql://me:a%2Fb@db.example:5432/bills"
        assert stack.redis_url == "redis://r"


def test_a_killed_owner_leaves_no_process_and_loses_no_data(folder: Path) -> None:
    with owner(folder) as (process, database_url, redis_url):
        remember(database_url, redis_url)
        started = family(process)
        process.kill()
        eventually(lambda: not any(one.is_running() for one in started))
    with Stack(folder, environment={}) as stack:
        assert remembered(stack)


def test_servers_whose_guards_were_killed_too_are_stopped_by_the_next_start(folder: Path) -> None:
    with owner(folder) as (process, database_url, redis_url):
        remember(database_url, redis_url)
        guards = psutil.Process(process.pid).children()
        left = [one for one in family(process) if one not in guards]
        for one in [psutil.Process(process.pid), *guards]:
            one.suspend()  # so that no guard can act on the end of another
        for one in [psutil.Process(process.pid), *guards]:
            one.kill()
    assert any(one.is_running() for one in left)
    with Stack(folder, environment={}) as stack:
        assert not any(one.is_running() for one in left)
        assert remembered(stack)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_owner_stops_everything_first(folder: Path, number: signal.Signals) -> None:
    with owner(folder) as (process, _, _):
        started = family(process)
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert not any(one.is_running() for one in started)


def test_a_second_start_on_the_same_folder_is_refused(folder: Path) -> None:
    with owner(folder) as (process, database_url, _):
        with pytest.raises(StackError, match=rf"already running \(pid {process.pid}\)"):
            Stack(folder, environment={}).start()
        with psycopg.connect(database_url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_a_stale_pid_file_with_a_reused_pid_does_not_block(folder: Path) -> None:
    with Stack(folder, environment={}):
        data = data_folder(folder)
    with subprocess.Popen(["sleep", "600"]) as other:
        (data / "postmaster.pid").write_text(f"{other.pid}\n{data}\n1\n5432\n\n127.0.0.1\n")
        with Stack(folder, environment={}) as stack, psycopg.connect(stack.database_url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert other.poll() is None
        other.kill()


def data_folder(folder: Path) -> Path:
    """Where the stack of this folder keeps PostgreSQL's data."""
    note = folder / "postgres.place"
    return Path(note.read_text().strip()) / "data" if note.exists() else folder / "postgres" / "data"


def test_a_port_that_is_taken_meanwhile_is_survived(folder: Path) -> None:
    with Stack(folder, durable=False, environment={}):
        before = json.loads((folder / "servers.json").read_text())
    taken = socket.create_server(("127.0.0.1", int(before["postgres_port"])))
    with taken, Stack(folder, durable=False, environment={}) as stack:
        with psycopg.connect(stack.database_url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert f":{before['postgres_port']}/" not in stack.database_url
        assert f":{before['valkey_port']}/" in stack.redis_url


def test_a_program_that_ends_is_named_with_the_end_of_its_log(folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db.example/x", "REDIS_URL": "redis://r"}
    with Stack(folder, environment=given) as stack:
        stack.spawn("brittle", [sys.executable, "-c", "import sys; print('so it goes'); sys.exit(3)"])
        with pytest.raises(StackError, match=r"brittle ended with code 3(.|\n)*so it goes"):
            stack.wait()


def test_secrets_are_for_the_owner_only(folder: Path) -> None:
    with Stack(folder, durable=False, environment={}) as stack:
        assert stack.database_url
        for name in ("servers.json", "valkey/valkey.conf", "logs/postgres.log"):
            assert (folder / name).stat().st_mode & 0o077 == 0
        line = " ".join(word for one in psutil.Process(os.getpid()).children(recursive=True) for word in one.cmdline())
        assert not any(
            secret in line for secret in json.loads((folder / "servers.json").read_text()).values() if len(secret) > 8
        )


def test_a_named_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} is taken.*PORT="):
            refuse_taken(port, "PORT")
    refuse_taken(port, "PORT")
