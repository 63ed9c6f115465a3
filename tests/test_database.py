"""What holds between us and PostgreSQL."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import text

from dashboard.database import db


def test_connections_that_the_server_ended_are_replaced_unnoticed(app: Flask) -> None:
    one, other = db.engine.connect(), db.engine.connect()
    pids = [connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, other)]
    other.close()
    one.rollback()
    one.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pids[1]})
    one.close()
    with db.engine.connect() as first, db.engine.connect() as second:
        alive = {connection.scalar(text("SELECT pg_backend_pid()")) for connection in (first, second)}
    assert len(alive) == 2
    assert pids[1] not in alive
