"""Databases by address: where they are, new ones, old ones gone."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql


def url_from(environment: Mapping[str, str]) -> str:
    """DATABASE_URL, or what DB_HOST and its companions say; empty if neither is set."""
    if environment.get("DATABASE_URL"):
        return environment["DATABASE_URL"]
    if not environment.get("DB_HOST"):
        return ""
    user, password = (quote(environment.get(name, ""), safe="") for name in ("DB_USERNAME", "DB_PASSWORD"))
    place = f"{environment['DB_HOST']}:{environment.get('DB_PORT', '5432')}"
    return f"postgresql://{user}{':' if password else ''}{password}@{place}/{environment.get('DB_DATABASE', '')}"


def with_name(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlsplit(url)._replace(path=f"/{quote(name, safe='')}").geturl()


def create(admin_url: str, name: str, owner_url: str, template: str | None) -> None:
    """Create a database that belongs to the role of `owner_url`."""
    owner = urlsplit(owner_url).username or ""
    parts = [sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner))]
    if template is not None:
        parts.append(sql.SQL("template {}").format(sql.Identifier(template)))
    _execute(admin_url, sql.SQL(" ").join(parts))


def drop(admin_url: str, name: str) -> None:
    """Remove a database and end the connections to it."""
    _execute(admin_url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _execute(url: str, statement: sql.Composed) -> None:
    """On a connection of its own, for neither statement runs in a transaction."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
