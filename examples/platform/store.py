"""The platform's own database: what a tenant made, one row a thing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4


class Store:
    """One tenant's things, in a SQLite file of its own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS things (kind, id, body, PRIMARY KEY (kind, id))")

    def add(self, kind: str, body: dict[str, Any], identifier: str = "") -> str | None:
        """Keep a thing; its id, made here if none is given, or None if it is there already."""
        identifier = identifier or uuid4().hex[:12]
        with self._lock:
            added = self._database.execute(
                "INSERT OR IGNORE INTO things VALUES (?, ?, ?)", (kind, identifier, json.dumps(body))
            )
            return identifier if added.rowcount else None

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every thing of a kind."""
        with self._lock:
            rows = self._database.execute("SELECT id, body FROM things WHERE kind = ? ORDER BY rowid", (kind,))
            return [{"id": identifier, **json.loads(body)} for identifier, body in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()
