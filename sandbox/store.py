"""The sandbox's state: objects in memory, written through to SQLite, so that a restart goes on where it stopped."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Thing = dict[str, Any]
# Raised whenever the things are kept in another form.
FORMAT = 2
# Fields that things are looked up by: a scan of every thing would make each call slower than the one before.
INDEXES: dict[str, tuple[str, ...]] = {
    "billing.meter": ("event_name",),
    "charge": ("payment_intent",),
    "checkout.session": ("status",),
    "credit_note": ("invoice",),
    "delivery": ("state",),
    "event": ("type",),
    "invoice": ("customer", "status"),
    "invoice_payment": ("invoice",),
    "invoiceitem": ("customer",),
    "meter_event": ("owner",),
    "payment_method": ("customer",),
    "subscription": ("customer", "status"),
    "subscription_schedule": ("status",),
    "tax_id": ("customer",),
}


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id in Stripe's form."""
    return f"{prefix}_{secrets.token_hex(length // 2)}"


class OutdatedState(Exception):
    """The folder holds state that this version cannot read."""


class Store:
    """Things by kind and id, in the order they were made. One writer at a time: hold `lock`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._db = sqlite3.connect(folder / "sandbox.sqlite3", check_same_thread=False)
        self._check_version()
        self._db.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS things (
                kind TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
                PRIMARY KEY (kind, id)) WITHOUT ROWID;
            """
        )
        self._db.execute(f"PRAGMA user_version = {FORMAT}")
        self._things: dict[str, dict[str, Thing]] = {}
        self._positions: dict[tuple[str, str], int] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._index: dict[tuple[str, str, Any], dict[str, Thing]] = {}
        self._indexed: dict[tuple[str, str], list[tuple[str, str, Any]]] = {}
        self._next = 0
        for kind, thing_id, position, body in self._db.execute(
            "SELECT kind, id, position, body FROM things ORDER BY position"
        ):
            thing = json.loads(body)
            self._things.setdefault(kind, {})[thing_id] = thing
            self._positions[kind, thing_id] = position
            self._note(kind, thing_id, thing)
            self._next = position + 1

    def _check_version(self) -> None:
        """Refuse state that was written in another form: it would fail later, at some odd place."""
        is_new = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and self._db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            self._db.close()
            raise OutdatedState("its state was written by another version of the sandbox: delete it or choose another")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock, then write what changed in one transaction; an error takes every change back."""
        with self.lock:
            try:
                yield
            except BaseException:
                self.take_back()
                raise
            self.flush()

    def take_back(self) -> None:
        """Undo what changed since the last write, in the very objects others hold."""
        for kind, thing_id in self._dirty:
            row = self._row(kind, thing_id)
            held = self._things.get(kind, {})
            if row is None:
                held.pop(thing_id, None)
                self._positions.pop((kind, thing_id), None)
                self._note(kind, thing_id, None)
            else:
                thing = held.setdefault(thing_id, {})
                thing.clear()
                thing.update(json.loads(row[0]))
                self._positions.setdefault((kind, thing_id), row[1])
                self._note(kind, thing_id, thing)
        self._dirty.clear()

    def flush(self) -> None:
        """Write what changed: from here on nothing before it can be taken back."""
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

    def _row(self, kind: str, thing_id: str) -> tuple[str, int] | None:
        query = "SELECT body, position FROM things WHERE kind = ? AND id = ?"
        found: tuple[str, int] | None = self._db.execute(query, (kind, thing_id)).fetchone()
        return found

    def _note(self, kind: str, thing_id: str, thing: Thing | None) -> None:
        """Bring the indexes up to date with a thing, or with its end (None)."""
        for entry in self._indexed.pop((kind, thing_id), ()):
            self._index[entry].pop(thing_id, None)
        fields = INDEXES.get(kind)
        if fields is None or thing is None:
            return
        entries = [(kind, field, thing.get(field)) for field in fields]
        for entry in entries:
            self._index.setdefault(entry, {})[thing_id] = thing
        self._indexed[kind, thing_id] = entries

    @property
    def next_position(self) -> int:
        """A number above that of every thing kept so far."""
        return self._next

    def put(self, kind: str, thing: Thing, thing_id: str | None = None) -> Thing:
        """Keep a thing, new or changed."""
        key = (kind, thing_id or thing["id"])
        if key not in self._positions:
            self._positions[key] = self._next
            self._next += 1
        self._things.setdefault(kind, {})[key[1]] = thing
        self._note(kind, key[1], thing)
        self._dirty.add(key)
        return thing

    def get(self, kind: str, thing_id: str) -> Thing | None:
        """A thing, or None."""
        return self._things.get(kind, {}).get(thing_id)

    def remove(self, kind: str, thing_id: str) -> None:
        """Forget a thing."""
        if self._things.get(kind, {}).pop(thing_id, None) is not None:
            self._positions.pop((kind, thing_id))
            self._note(kind, thing_id, None)
            self._dirty.add((kind, thing_id))

    def all(self, kind: str) -> list[Thing]:
        """Every thing of a kind, oldest first."""
        return list(self._things.get(kind, {}).values())

    def everything(self) -> list[tuple[str, str, Thing]]:
        """Kind, id and thing of all there is, oldest first."""
        return [
            (kind, thing_id, self._things[kind][thing_id])
            for kind, thing_id in sorted(self._positions, key=self._positions.__getitem__)
        ]

    def oldest(self, kind: str) -> tuple[str, Thing] | None:
        """The id and the thing of a kind that was made first."""
        return next(iter(self._things.get(kind, {}).items()), None)

    def by(self, kind: str, field: str, *values: Any) -> list[Thing]:
        """The things of a kind whose indexed `field` is one of `values`, oldest first."""
        found = {
            thing_id: thing for value in values for thing_id, thing in self._index.get((kind, field, value), {}).items()
        }
        return [found[thing_id] for thing_id in sorted(found, key=lambda each: self._positions[kind, each])]

    def each(self, kind: str, field: str, value: Any) -> Iterator[Thing]:
        """The same of one value in no order, without the cost of sorting."""
        return iter(self._index.get((kind, field, value), {}).values())

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def clear(self) -> None:
        """Forget everything."""
        self._things.clear()
        self._positions.clear()
        self._index.clear()
        self._indexed.clear()
        self._dirty.clear()
        self._db.execute("DELETE FROM things")
        self._db.commit()
