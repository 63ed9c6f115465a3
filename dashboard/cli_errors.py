"""What is wrong, in one line on the terminal instead of a traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.ports import ProviderRefused, ProviderUnavailable

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Let a command end with exit status 1 and one line for the errors that people can mend."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (InvalidInput, NotFound, ProviderRefused, ProviderUnavailable) as error:
            raise click.ClickException(str(error)) from error

    return run
