"""One database for all the tests of a process, emptied before each: to copy a database takes longer than most tests."""

from __future__ import annotations

import psycopg
from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

# What a test that was killed, or that killed its processes, left connected would hold locks.
_END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# The number of things of each kind and the newest of them: it differs after any CREATE, ALTER that makes one, or DROP.
_SCHEMA = """
    SELECT (SELECT (count(*), max(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace)::text
        || (SELECT (count(*), max(oid)) FROM pg_trigger)::text
        || (SELECT (count(*), max(oid)) FROM pg_constraint)::text
        || (SELECT (count(*), max(oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)::text
"""
# Where much was written, deleting leaves much to step over; elsewhere new files cost more than the rows.
_EMPTY = """
    DO $$
    DECLARE each regclass; is_used boolean; counter record;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR each IN SELECT oid FROM pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version' LOOP
            IF pg_relation_size(each) > 1024 * 1024 THEN
                EXECUTE format('TRUNCATE %s CASCADE', each);
            ELSIF pg_relation_size(each) > 0 THEN
                EXECUTE format('DELETE FROM %s', each);
            END IF;
        END LOOP;
        FOR counter IN SELECT format('%I.%I', schemaname, sequencename) AS name, start_value FROM pg_sequences
                        WHERE last_value IS NOT NULL LOOP
            PERFORM setval(counter.name::regclass, counter.start_value, false);
        END LOOP;
    END $$
"""


def schema_of(url: str) -> str:
    """A word for the tables, triggers and functions of a database as they are."""
    with psycopg.connect(url) as connection:
        return _read_schema(connection)


def empty(url: str, schema: str) -> bool:
    """Leave no row in a database, and every sequence at its start.

    False where that cannot be done: its schema is not this one any more, or `url` is no superuser's, to whose deleting
    triggers may object.
    """
    with psycopg.connect(url) as connection:
        connection.execute(_END_CONNECTIONS)
        connection.commit()
        if _read_schema(connection) != schema:
            return False
        try:
            connection.execute(_EMPTY)
        except InsufficientPrivilege:  # a server of somebody else's, where we are no superuser
            return False
        return True


def _read_schema(connection: Connection) -> str:
    row = connection.execute(_SCHEMA).fetchone()
    assert row is not None
    return str(row[0])
