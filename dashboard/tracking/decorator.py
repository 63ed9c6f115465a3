"""`@tracks_usage(...)`: a function each of whose calls is a usage event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.tracking.block import SOURCE, Resource, track_usage

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_NOT_KNOWN = object()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tracked function: `call["name"]` is an argument (defaults included), `call.result` its result."""

    arguments: Mapping[str, Any]
    outcome: object = _NOT_KNOWN

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def result(self) -> Any:
        """What the function returned.

        Raises `LookupError` where it is not known yet: `tenant_id`, and with `reserve` also `quantity` and `key`,
        are needed before the call.
        """
        if self.outcome is _NOT_KNOWN:
            raise LookupError("the result is not known before the call: use the call's arguments here")
        return self.outcome


def tracks_usage(
    usage_type: str,
    *,
    tenant_id: int | Callable[[Call], int] | None = None,
    quantity: int | Callable[[Call], int] = 1,
    key: str | Callable[[Call], str] | None = None,
    user: str | int | Callable[[Call], str | int | None] | None = None,
    resource: Resource | Callable[[Call], Resource | None] | None = None,
    metadata: Mapping[str, Any] | Callable[[Call], Mapping[str, Any]] | None = None,
    reserve: bool = False,
    source: str = SOURCE,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record usage for each call that returns. Every value may be a function of the `Call`.

    The tenant is the argument `tenant_id` unless said otherwise; the session is the argument `session` if there is
    one, else the application's own. For the rest see `track_usage`.

    Raises `InvalidInput` (no such usage type) and `TypeError` (a function that does its work after it returned:
    async functions and generators; one whose tenant is not known) where it decorates.
    """
    if usage_type not in USAGE_TYPES:
        raise InvalidInput("usage_type", f"must be one of {', '.join(USAGE_TYPES)}")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        _refuse(function, signature, has_tenant=tenant_id is not None)

        @wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            call = Call(bound.arguments)
            own = call.arguments.get("session")
            with track_usage(
                usage_type,
                tenant_id=call["tenant_id"] if tenant_id is None else _given(tenant_id, call),
                quantity=_given(quantity, call) if reserve else 1,
                key=_given(key, call) if reserve else None,
                reserve=reserve,
                source=source,
                session=own if isinstance(own, Session) else None,
            ) as usage:
                result = function(*args, **kwargs)
                _refuse_result(function, result)
                call = replace(call, outcome=result)
                if not reserve:
                    usage.quantity = _given(quantity, call)
                    usage.key = _given(key, call) or usage.key
                usage.user = _given(user, call)
                usage.resource = _given(resource, call)
                usage.metadata = dict(metadata(call) if callable(metadata) else metadata or {})
            return result

        return tracked

    return decorate


def _given(value: T | Callable[[Call], T], call: Call) -> T:
    return value(call) if callable(value) else value


def _refuse(function: Callable[..., object], signature: inspect.Signature, *, has_tenant: bool) -> None:
    lazy = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_lazy(function) for is_lazy in lazy):
        raise TypeError(f"{function!r} does its work after it returned: use `with track_usage(...)` inside it")
    if not has_tenant and "tenant_id" not in signature.parameters:
        raise TypeError(f"{function!r} has no argument tenant_id: give tenant_id=... to @tracks_usage")


def _refuse_result(function: Callable[..., object], result: object) -> None:
    if inspect.iscoroutine(result):
        result.close()
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"{function!r} returned work that is still to be done: its usage cannot be recorded yet")
