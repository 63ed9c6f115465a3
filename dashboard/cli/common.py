"""What the commands have in common: errors in one line, ids, and who is asking."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import MAX_ID
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable

P = ParamSpec("P")
R = TypeVar("R")
ID = click.IntRange(1, MAX_ID)


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Show what is wrong in one line instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (InvalidInput, NotFound, ProviderRefused, ProviderUnavailable) as error:
            raise click.ClickException(str(error)) from error
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()
            raise click.ClickException(f"the database cannot be reached: {reason[0] if reason else error}") from error

    return run


def operator() -> str:
    """Who is at the command line, for what is kept of an action."""
    try:
        return f"{getpass.getuser()}, command line"
    except (KeyError, ImportError, OSError):  # a container may run under a number that has no name
        return "command line"
