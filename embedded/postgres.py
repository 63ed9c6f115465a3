"""The embedded PostgreSQL: made once, started, known to live only when it answers a query."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from embedded.binaries import postgres_programs
from embedded.errors import StackError
from embedded.keep import Keep
from embedded.leftovers import end, working_in
from embedded.place import Place
from embedded.process import Process

SUPERUSER = "postgres"
ROLE = "countinghouse"
ENDING = (signal.SIGINT, signal.SIGQUIT)  # fast shutdown, then at once, to be recovered from the log

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # TCP with a password is the one way in, as in production
    "shared_buffers": "256MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "2GB",
}
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "10min"}


class Postgres:
    """One server on one data folder."""

    def __init__(self, data_dir: Path, place: Place, keep: Keep, *, durable: bool, settings: Mapping[str, str]) -> None:
        self._data_dir, self._place, self._keep, self._durable = data_dir, place, keep, durable
        self._settings = SETTINGS | ({} if durable else QUICK) | dict(settings)
        self._programs = postgres_programs(place.copies)
        self._data = place.folder / "data"
        self.port = 0

    def prepare(self) -> None:
        """Make the data folder if there is none."""
        if not self._data.exists():
            self._make()

    def answers(self) -> bool:
        """Whether this very server (our password opens it) answers a query."""
        try:
            with psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=5) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, user: str, database: str) -> str:
        """The address of a database for one of the two roles."""
        return f"postgresql://{user}:{self._keep.secret(user)}@127.0.0.1:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        """The address with the superuser's rights."""
        return self.url(SUPERUSER, "postgres")

    def launch(self) -> Process:
        """Start it on a free port."""
        self.port = self._keep.port("postgres_port")
        argv = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        return Process("postgres", argv, self._data_dir, cwd=self._place.folder, user=self._place.user, signals=ENDING)

    def _make(self) -> None:
        """initdb into a draft that becomes the data folder when it is whole."""
        draft, password = self._place.folder / "draft", self._place.folder / "password"
        if draft.exists():
            shutil.rmtree(draft)
        password.touch(mode=0o600)
        password.write_text(self._keep.secret(SUPERUSER))
        self._place.own(password)
        uid, gid = self._place.user or (None, None)
        done = subprocess.run(
            [
                *(self._programs / "initdb", "-D", draft, "--pwfile", password, "--username", SUPERUSER),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-instructions"),
                *(() if self._durable else ("--no-sync",)),
            ],
            cwd=self._place.folder,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if done.returncode:
            raise StackError(f"initdb failed:\n{done.stdout}{done.stderr}")
        draft.rename(self._data)

    def see_to_role(self) -> None:
        """The application's role and database, with the password of the keep; neither is a superuser's."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            role = sql.Identifier(ROLE)
            if not connection.execute("select from pg_roles where rolname = %s", [ROLE]).rowcount:
                connection.execute(sql.SQL("create role {} login").format(role))
            connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(self._keep.secret(ROLE))))
            if not connection.execute("select from pg_database where datname = %s", [ROLE]).rowcount:
                connection.execute(sql.SQL("create database {} owner {}").format(role, role))


def stop_leftover(place: Place) -> None:
    """End a server that still works on this place, and remove a lock file whose pid is another program's now."""
    data = (place.folder / "data").resolve()
    servers = working_in("postgres", data)
    lock = data / "postmaster.pid"
    if servers and lock.exists():
        # The postmaster first: its children go with it, and only a fast shutdown leaves nothing to recover.
        postmaster = int(lock.read_text().split()[0])
        servers.sort(key=lambda process: process.pid != postmaster)
    if servers:
        end(servers, [*ENDING, signal.SIGKILL])
    # PostgreSQL takes any live process of this pid for itself. No server works here now, so nothing guards the data.
    lock.unlink(missing_ok=True)
