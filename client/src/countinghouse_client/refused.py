"""What Countinghouse refused for good, with its reasons: kept on disk until the caller decides."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that was refused: its key, the event as it was sent, and what is wrong with each field."""

    key: str
    event: dict[str, Any]
    errors: list[dict[str, Any]]
    refused_at: str

    @classmethod
    def of(cls, line: bytes, errors: Sequence[dict[str, Any]]) -> Refused:
        """The refusal of one line of a journal, now."""
        try:
            event = json.loads(line)
            key = str(event["idempotency_key"])
        except (ValueError, KeyError, TypeError):
            # Only a power cut can leave such a line; it is kept as it is.
            event, key = {"line": line.decode(errors="replace")}, ""
        return cls(key, event, list(errors), datetime.now(UTC).isoformat())


class RefusedFile:
    """One file for all processes that share a spool, a refusal a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes = self._size()

    def add(self, refusals: Collection[Refused]) -> None:
        """Keep them; on disk when this returns."""
        with self._locked():
            file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(asdict(refusal)) + "\n" for refusal in refusals)
        self.bytes = self._size()

    def all(self) -> list[Refused]:
        """What is kept, oldest first. One that was refused twice (a crash in between) is listed once."""
        with self._locked():
            return self._read()

    def forget(self, keys: Collection[str] | None) -> list[Refused]:
        """Remove those with these keys (all of them with None) and answer what was removed."""
        with self._locked():
            kept: list[Refused] = []
            gone: list[Refused] = []
            for refusal in self._read():
                (gone if keys is None or refusal.key in keys else kept).append(refusal)
            draft = self._path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text("".join(json.dumps(asdict(refusal)) + "\n" for refusal in kept), encoding="utf-8")
            draft.replace(self._path)
        self.bytes = self._size()
        return gone

    def _read(self) -> list[Refused]:
        if not self._path.exists():
            return []
        found: dict[str, Refused] = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                refusal = Refused(**json.loads(line))
            except (ValueError, TypeError):
                continue  # cut short by a crash; its event was not acknowledged and comes again
            found[json.dumps(refusal.event)] = refusal
        return list(found.values())

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        file = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
