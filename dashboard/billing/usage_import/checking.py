"""From the rows of a file to batches of checked usage events, each with an idempotency key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from msgspec.structs import replace

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage
from dashboard.billing.usage_import.lines import Row

# Rows may be long: a batch ends at this many bytes of the file, so that memory stays bounded.
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is not in the ledger, and why. `field` is `line` where the line cannot be read at all."""

    line: int
    field: str
    message: str

    @classmethod
    def of(cls, line: int, field: str, message: str) -> Self:
        """A refusal whose texts may hold parts of the file: shortened, and fit for a database and a terminal."""
        return cls(line, _plain(field), _plain(message))


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:MAX_TEXT])


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one transaction. `lines` names the line of each event; `line` and `end` say how far the file is read."""

    events: list[UsageInput]
    lines: list[int]
    refusals: list[Refusal]
    line: int
    end: int


class Checker:
    """Checks rows of one file in their order and gives those without an idempotency key one.

    Such a key is made of what the event says and of how often the file has said it before (see
    docs/decisions/0021). The counts lie in a private SQLite file that vanishes with its connection.
    """

    def __init__(self, tenant_id: int) -> None:
        self._tenant_id = tenant_id
        self._seen = sqlite3.connect("", isolation_level=None)
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "BEGIN"):
            self._seen.execute(statement)
        self._seen.execute("CREATE TABLE seen (fingerprint BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")

    def close(self) -> None:
        """Forget the counts."""
        self._seen.close()

    def check_batch(self, rows: list[Row], now: datetime) -> Batch:
        """Sort rows into events and refusals. `rows` must not be empty."""
        batch = Batch([], [], [], rows[-1].last_line, rows[-1].end)
        for row in rows:
            try:
                batch.events.append(self.check(row, now))
                batch.lines.append(row.line)
            except InvalidInput as error:
                batch.refusals.append(Refusal.of(row.line, error.field, error.message))
        return batch

    def pass_over(self, row: Row, now: datetime) -> None:
        """Note a row that an earlier run dealt with: only what later keys depend on."""
        if isinstance(row.raw, dict) and row.raw.get("idempotency_key") is None:
            with suppress(InvalidInput):
                self.check(row, now)

    def check(self, row: Row, now: datetime) -> UsageInput:
        """The usage event of a row.

        Raises `InvalidInput`.
        """
        if row.refusal is not None:
            raise row.refusal
        raw = self._own(row.raw)
        if not isinstance(raw, dict) or raw.get("idempotency_key") is not None:
            return parse_usage(raw, now)
        event = parse_usage({**raw, "idempotency_key": "import"}, now)
        if event.occurred_at is None and event.corrects_id is None:
            raise InvalidInput(
                "idempotency_key",
                "must be given where occurred_at is not: nothing else tells a repeat from a new action",
            )
        return replace(event, idempotency_key=f"import:{event.fingerprint.hex()}:{self._count(event.fingerprint)}")

    def _own(self, raw: object) -> object:
        """The event without its `tenant_id`, which may only name the tenant of this import."""
        if not isinstance(raw, dict) or "tenant_id" not in raw:
            return raw
        event = dict(raw)
        named = event.pop("tenant_id")
        if type(named) is not int or named != self._tenant_id:
            raise InvalidInput("tenant_id", f"must be {self._tenant_id}, the tenant of this import, or left out")
        return event

    def _count(self, fingerprint: bytes) -> int:
        added = self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", (fingerprint,)).rowcount
        if added:
            return 1
        self._seen.execute("UPDATE seen SET times = times + 1 WHERE fingerprint = ?", (fingerprint,))
        times: int = self._seen.execute("SELECT times FROM seen WHERE fingerprint = ?", (fingerprint,)).fetchone()[0]
        return times


def in_batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Cut rows into lists of at most `size`, fewer where they are long."""
    batch: list[Row] = []
    begin = 0
    for row in rows:
        batch.append(row)
        if len(batch) >= size or row.end - begin >= MAX_BATCH_BYTES:
            yield batch
            batch, begin = [], row.end
    if batch:
        yield batch
