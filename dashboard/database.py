"""The SQLAlchemy handle, the naming convention and the session rules.

Session rule: the domain adds and reads, the entry point commits. Nothing else commits.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from psycopg.pq import TransactionStatus
from sqlalchemy import BigInteger, Connection, DateTime, Engine, MetaData, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session

# Every key and check has a name, because spreading tables over nodes drops keys and adds them again by name.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


db = SQLAlchemy(metadata=Base.metadata)


def discard_dead_connections(engine: Engine) -> None:
    """Look at a pooled connection before it is used again, at the price of one system call instead of a round trip.

    The server says nothing on an idle connection but goodbye: what can be read there is the end of it. A connection
    that died without a word fails its first statement, as it would after any check.
    """

    @event.listens_for(engine, "checkout")
    def look(connection: Any, _record: object, _proxy: object) -> None:
        watch = select.poll()
        watch.register(connection.pgconn.socket, select.POLLIN)
        if watch.poll(0):
            raise InvalidatePoolError


def keep_prepared_statements(engine: Engine) -> None:
    """Let what PostgreSQL has prepared outlive a rollback, with which every request that only reads ends.

    psycopg has a statement prepared that comes for the sixth time, and forgets all of them with each rollback, because
    it could have taken back a table. No transaction of ours makes tables; and with nothing prepared, each page has all
    its statements planned anew (docs/decisions/0047). What is wrong with a connection psycopg meets right after this.
    """

    @event.listens_for(engine, "rollback")
    def roll_back(connection: Connection) -> None:
        if connection.closed or connection.invalidated:
            return
        held: Any = connection.connection.dbapi_connection
        if held is not None and held.pgconn.transaction_status in _IN_TRANSACTION:
            held.pgconn.exec_(b"ROLLBACK")


def lock_object(session: Session, *names: object) -> None:
    """Hold the lock of this name until the transaction ends: one writer at a time for one outside object."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key_of(names)})


def lock_objects(session: Session, names: Sequence[tuple[object, ...]]) -> None:
    """The same for several names, in the order given: everybody who takes several takes them in the same order."""
    if names:
        keys = [_key_of(each) for each in names]
        session.execute(
            text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": keys}
        )


def share_objects(session: Session, names: Sequence[tuple[object, ...]]) -> None:
    """Hold the locks of these names together with others until the transaction ends; who wants one alone waits.

    In the order given: whoever takes several takes them in the same order as everybody else.
    """
    keys = [_key_of(each) for each in names]
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": keys}
    )


def try_lock_object(session: Session, *names: object) -> bool:
    """Take the lock of this name until the transaction ends, or say at once that another holds it."""
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _key_of(names)}))


@contextmanager
def holding_objects(connection: Connection, names: Sequence[tuple[object, ...]]) -> Iterator[set[tuple[object, ...]]]:
    """Hold the locks of those of these names that nobody else holds, over several transactions; answers which.

    They are the locks of `lock_object`, but belong to the connection: they end with the block, or with the connection.
    """
    keys = {_key_of(each): each for each in names}
    try:
        rows = connection.execute(
            text("SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key WHERE pg_try_advisory_lock(key)"),
            {"keys": list(keys)},
        )
        held = {keys[row.key] for row in rows}
        connection.commit()
        yield held
    finally:
        try:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock_all()"))
            connection.commit()
        except BaseException:
            # Back in the pool it would hold them for ever.
            connection.invalidate()
            raise


def _key_of(names: tuple[object, ...]) -> int:
    digest = blake2b(":".join(map(str, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
