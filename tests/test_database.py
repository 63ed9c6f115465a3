"""What holds between us and PostgreSQL."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

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


def test_an_error_names_its_statement_and_not_what_was_in_it(app: Flask) -> None:
    with pytest.raises(ProgrammingError) as error:
        db.session.execute(text("SELECT :body FROM no_such_table"), {"body": "a tenant's words"})
    assert "no_such_table" in str(error.value)
    assert "a tenant's words" not in str(error.value)


def test_what_was_prepared_outlives_the_rollback_with_which_a_request_ends(app: Flask) -> None:
    with db.engine.connect() as connection:
        for _ in range(7):
            connection.execute(text("SELECT 'read once more'"))
            connection.rollback()
        prepared = connection.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert prepared == ["SELECT 'read once more'"]


def test_a_rollback_takes_back_what_was_written_also_after_an_error(app: Flask) -> None:
    with db.engine.connect() as connection:
        connection.execute(text("INSERT INTO tenants (name, billing_email, created_at) VALUES ('a', 'b', now())"))
        with pytest.raises(ProgrammingError):
            connection.execute(text("SELECT FROM no_such_table"))
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM tenants")) == 0
