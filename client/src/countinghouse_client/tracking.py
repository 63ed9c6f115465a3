"""Reports tied to a block or a function: made when it has succeeded, not otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Tracked:
    """The event that a block will report; set what only the block knows."""

    usage_type: str
    quantity: int
    user: str | None
    resource: tuple[str, str] | None
    metadata: dict[str, Any]
    occurred_at: datetime | None = None  # the end of the block, unless set


class Tracker:
    """What `Countinghouse.tracks` answers: use it once in a `with`, or as a decorator as often as you like."""

    def __init__(
        self,
        report: Callable[[Tracked], None],
        event: Tracked,
        resource: tuple[str, str] | Callable[[Any], tuple[str, str]] | None,
    ) -> None:
        self._report, self._event, self._resource = report, event, resource

    def __enter__(self) -> Tracked:
        if not callable(self._resource):
            self._event.resource = self._resource
        return self._event

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._report(self._event)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, reporting after each call that returned."""

        @functools.wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            result = function(*args, **kwargs)
            resource = self._resource(result) if callable(self._resource) else self._resource
            self._report(replace(self._event, resource=resource, metadata=deepcopy(self._event.metadata)))
            return result

        return tracked
