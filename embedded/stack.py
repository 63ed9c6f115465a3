"""The stack: PostgreSQL, Valkey and further programs, up together and down together.

with Stack(folder) as stack:
    stack.spawn("web", [...], ready=answers)
    stack.wait()
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

from embedded import databases, leftovers, lock, postgres
from embedded.errors import StackError
from embedded.keep import Keep
from embedded.place import Place, place_for
from embedded.postgres import ROLE, Postgres
from embedded.process import Process
from embedded.server import bring_up
from embedded.valkey import Valkey

__all__ = ["ROOT", "Stack", "StackError"]

ROOT = Path(__file__).resolve().parent.parent


class Stack:
    """Servers and programs that live as long as the `with` block, or less long if this process is killed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        environment: Mapping[str, str] | None = None,
        patience: float = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing starts yet. A folder in use is waited for `patience` seconds: its stack may be about to end.

        `durable=False` is for tests: quick, and a crash may lose data. In `environment` (this process' own by default)
        DATABASE_URL, or DB_HOST and its companions, and REDIS_URL name servers of your own: those are not started.
        `settings` are PostgreSQL's, beside and above the usual ones.
        """
        self.data_dir = data_dir.absolute()
        self.database_url = ""
        self.redis_url = ""
        self._durable = durable
        self._environment = os.environ if environment is None else environment
        self._patience = patience
        self._settings = settings or {}
        self._parent = os.getppid()
        self.admin_url = ""
        self._processes: list[Process] = []
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @staticmethod
    @contextmanager
    def locked(data_dir: Path, patience: float = 0) -> Iterator[None]:
        """Hold the folder with nothing running on it; StackError if a stack runs for more than `patience` seconds."""
        with lock.locked(data_dir, patience):
            _clear(data_dir, keeps=True)
            yield

    def start(self) -> None:
        """Bring the servers up; StackError if the folder is in use or a server does not come up."""
        with ExitStack() as exits:
            exits.enter_context(lock.locked(self.data_dir, self._patience))
            exits.enter_context(_terminated_like_interrupted())
            exits.callback(self._end_processes)
            self._start_servers(_clear(self.data_dir, keeps=self._durable))
            self._exits = exits.pop_all()

    def _start_servers(self, place: Place) -> None:
        keep = Keep(self.data_dir)
        self.database_url = self.admin_url = databases.url_from(self._environment)
        self.redis_url = self._environment.get("REDIS_URL", "")
        if not self.database_url:
            server = Postgres(self.data_dir, place, keep, durable=self._durable, settings=self._settings)
            server.prepare()
            bring_up(server, self._processes)
            server.see_to_role()
            self.database_url, self.admin_url = server.url(ROLE, ROLE), server.admin_url
        if not self.redis_url:
            valkey = Valkey(self.data_dir, keep, durable=self._durable)
            bring_up(valkey, self._processes)
            self.redis_url = valkey.url

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
        seconds: float = 60,
    ) -> Process:
        """Start a program in the repository's root; its output goes to `logs/NAME.log` of the data folder.

        `env` is its whole environment, this process' own by default. Returns once `ready()` says so; StackError with
        the end of the log if that takes more than `seconds` or the program ends.
        """
        process = Process(name, argv, self.data_dir, env=env, cwd=ROOT)
        self._processes.append(process)
        if ready is not None:
            process.wait_until(ready, seconds)
        return process

    def wait(self) -> NoReturn:
        """Stay until a program ends (StackError with the end of its log) or Ctrl-C or SIGTERM (KeyboardInterrupt).

        The end of what started us (a killed `make`) counts as Ctrl-C: nobody could stop us otherwise.
        """
        while os.getppid() == self._parent:
            for process in self._processes:
                if process.exit_code is not None:
                    raise StackError(f"{process.name} ended with code {process.exit_code}.\n{process.tail()}")
            time.sleep(0.2)
        raise KeyboardInterrupt

    def create_database(self, name: str, template: str | None = None) -> str:
        """A new database of the application's role, a copy of `template` if one is named; returns its address."""
        databases.create(self.admin_url, name, self.database_url, template)
        return databases.with_name(self.database_url, name)

    def drop_database(self, name: str) -> None:
        """Remove a database, connected to or not; one that is not there is fine."""
        databases.drop(self.admin_url, name)

    def stop(self) -> None:
        """End everything, the last first; a second call does nothing."""
        self._exits.close()

    def _end_processes(self) -> None:
        while self._processes:
            self._processes[-1].stop()
            self._processes.pop()


def _clear(data_dir: Path, *, keeps: bool) -> Place:
    """End what a crash left running on the folder; its lock is held by the caller."""
    leftovers.stop_recorded(data_dir)
    place = place_for(data_dir, keeps=keeps)
    postgres.stop_leftover(place)
    return place


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGINT unwind the `with` blocks, where signals can be handled at all.

    SIGINT is set too: a program that a shell starts in the background would otherwise ignore it.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
