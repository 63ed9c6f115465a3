"""Rows of our mirrors, written many at a time: one statement and one JSON document, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec
from sqlalchemy import Table, TextClause, inspect, text
from sqlalchemy.orm import Session

from dashboard.database import Base

Row = Mapping[str, object]
# (tenant id, id of what the rows hang on)
Owner = tuple[int, str]


def upsert_rows(session: Session, model: type[Base], rows: Sequence[Row], *, only: tuple[str, ...] = ()) -> None:
    """Insert rows; one that is there by its primary key is overwritten, in the columns `only` where some are named.

    All rows name the same columns, and none comes twice. In the order of the keys, so that two writers do not deadlock.
    """
    if not rows:
        return
    statement = _upsert(_table(model), tuple(rows[0]), only)
    session.execute(statement, {"rows": msgspec.json.encode(rows).decode()})
    _read_anew(session, model)


def replace_parts(session: Session, model: type[Base], owners: Sequence[Owner], rows: Sequence[Row]) -> None:
    """Let `rows` be all that hangs on these invoices."""
    if owners:
        scope = {"tenants": [each[0] for each in owners], "invoices": [each[1] for each in owners]}
        session.execute(_clear(_table(model)), scope)
    if rows:
        session.execute(_insert(_table(model), tuple(rows[0])), {"rows": msgspec.json.encode(rows).decode()})
    _read_anew(session, model)


@cache
def _upsert(table: Table, columns: tuple[str, ...], only: tuple[str, ...]) -> TextClause:
    key = [column.name for column in table.primary_key]
    overwritten = only or tuple(name for name in columns if name not in key)
    changes = ", ".join(f"{_quoted(name)} = EXCLUDED.{_quoted(name)}" for name in overwritten)
    return text(
        f"{_insert(table, columns).text} ORDER BY {', '.join(map(_quoted, key))} "
        f"ON CONFLICT ({', '.join(map(_quoted, key))}) DO UPDATE SET {changes}"
    )


@cache
def _insert(table: Table, columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(map(_quoted, columns))
    rows = f"jsonb_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows AS jsonb))"
    return text(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {rows}")


@cache
def _clear(table: Table) -> TextClause:
    own = "unnest(CAST(:tenants AS bigint[]), CAST(:invoices AS text[])) AS own (tenant_id, invoice_id)"
    return text(
        f"DELETE FROM {table.name} USING {own} "
        f"WHERE {table.name}.tenant_id = own.tenant_id AND {table.name}.invoice_id = own.invoice_id"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _table(model: type[Base]) -> Table:
    return inspect(model).local_table  # type: ignore[return-value]


def _read_anew(session: Session, model: type[Base]) -> None:
    """What the session holds of this table was read before: it is read again when it is used."""
    for held in list(session.identity_map.values()):
        if isinstance(held, model):
            session.expire(held)
