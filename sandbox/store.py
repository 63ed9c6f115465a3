"""The sandbox's state: objects in memory, written through to SQLite, so that a restart goes on where it stopped."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Thing = dict[str, Any]
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id in Stripe's form."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


class Store:
    """Things by kind and id, in the order they were made. One writer at a time: hold `lock`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._db = sqlite3.connect(folder / "sandbox.sqlite3", check_same_thread=False)
        self._db.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS things (
                kind TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
                PRIMARY KEY (kind, id)) WITHOUT ROWID;
            """
        )
        self._things: dict[str, dict[str, Thing]] = {}
        self._positions: dict[tuple[str, str], int] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._next = 0
        for kind, thing_id, position, body in self._db.execute(
            "SELECT kind, id, position, body FROM things ORDER BY position"
        ):
            self._things.setdefault(kind, {})[thing_id] = json.loads(body)
            self._positions[kind, thing_id] = position
            self._next = position + 1

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock, then write what changed in one transaction; an error takes every change back."""
        with self.lock:
            try:
                yield
            except BaseException:
                self.take_back()
                raise
            self._write()

    def take_back(self) -> None:
        """Undo what changed since the last write, in the very objects others hold."""
        for kind, thing_id in self._dirty:
            row = self._db.execute("SELECT body FROM things WHERE kind = ? AND id = ?", (kind, thing_id)).fetchone()
            held = self._things.get(kind, {})
            if row is None:
                held.pop(thing_id, None)
                self._positions.pop((kind, thing_id), None)
            else:
                thing = held.setdefault(thing_id, {})
                thing.clear()
                thing.update(json.loads(row[0]))
        self._dirty.clear()

    def _write(self) -> None:
        if not self._dirty:
            return
        rows = []
        for kind, thing_id in self._dirty:
            thing = self._things.get(kind, {}).get(thing_id)
            if thing is None:
                self._db.execute("DELETE FROM things WHERE kind = ? AND id = ?", (kind, thing_id))
            else:
                rows.append((kind, thing_id, self._positions[kind, thing_id], json.dumps(thing)))
        self._db.executemany("INSERT OR REPLACE INTO things VALUES (?, ?, ?, ?)", rows)
        self._db.commit()
        self._dirty.clear()

    def put(self, kind: str, thing: Thing, thing_id: str | None = None) -> Thing:
        """Keep a thing, new or changed."""
        key = (kind, thing_id or thing["id"])
        if key not in self._positions:
            self._positions[key] = self._next
            self._next += 1
        self._things.setdefault(kind, {})[key[1]] = thing
        self._dirty.add(key)
        return thing

    def get(self, kind: str, thing_id: str) -> Thing | None:
        """A thing, or None."""
        return self._things.get(kind, {}).get(thing_id)

    def remove(self, kind: str, thing_id: str) -> None:
        """Forget a thing."""
        if self._things.get(kind, {}).pop(thing_id, None) is not None:
            self._positions.pop((kind, thing_id))
            self._dirty.add((kind, thing_id))

    def all(self, kind: str) -> list[Thing]:
        """Every thing of a kind, oldest first."""
        return list(self._things.get(kind, {}).values())

    def clear(self) -> None:
        """Forget everything."""
        self._things.clear()
        self._positions.clear()
        self._dirty.clear()
        self._db.execute("DELETE FROM things")
        self._db.commit()
