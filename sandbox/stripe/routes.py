"""Which call does what: method and path to a function of world, path ids and parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.world import World

Call = Callable[..., Thing]
# Paths without a placeholder are looked up; the others are tried in the order of their modules.
LITERAL: dict[tuple[str, str], Call] = {}
PATTERNS: list[tuple[str, re.Pattern[str], Call]] = []


def route(method: str, path: str) -> Callable[[Call], Call]:
    """Register a call; `{name}` in the path is handed over by that name."""
    pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$")

    def add(call: Call) -> Call:
        if "{" in path:
            PATTERNS.append((method, pattern, call))
        else:
            LITERAL[method, path] = call
        return call

    return add


def find(method: str, path: str) -> tuple[Call, dict[str, str]] | None:
    """The call for a request, with the ids of its path."""
    literal = LITERAL.get((method, path))
    if literal:
        return literal, {}
    for known, pattern, call in PATTERNS:
        match = pattern.match(path) if known == method else None
        if match:
            return call, match.groupdict()
    return None


def list_things(
    world: World, params: Params, kind: str, url: str, *, filters: tuple[str, ...] = (), **fixed: Any
) -> Thing:
    """One page of things, newest first, with Stripe's cursors and the filters named."""
    wanted = {name: value for name in filters if (value := params.take(name)) is not None} | fixed
    created = params.take("created")
    things = [
        thing
        for thing in reversed(world.store.all(kind))
        if all(_fits(thing.get(name), value) for name, value in wanted.items())
        and is_within(thing.get("created", 0), created)
    ]
    return page_of(things, params, url)


def page_of(things: list[Thing], params: Params, url: str) -> Thing:
    """The page the cursors ask for."""
    limit = max(1, min(params.integer("limit", 10) or 10, 100))
    after, before = params.take("starting_after"), params.take("ending_before")
    ids = [thing["id"] for thing in things]
    if after in ids:
        things = things[ids.index(after) + 1 :]
    if before in ids:
        stop = ids.index(before)
        things = things[max(0, stop - limit) : stop]
    return {"object": "list", "data": things[:limit], "has_more": len(things) > limit, "url": url}


def _fits(have: Any, want: Any) -> bool:
    if want in {"true", "false"} and isinstance(have, bool):
        return have is (want == "true")
    return bool(have == want)


def is_within(at: int, created: Any) -> bool:
    """Whether a moment fits a `created` filter: a second, or bounds."""
    if created is None:
        return True
    if not isinstance(created, dict):
        return bool(at == int(created))
    bounds = {name: int(value) for name, value in created.items()}
    return bool(
        at >= bounds.get("gte", at)
        and at <= bounds.get("lte", at)
        and at > bounds.get("gt", at - 1)
        and at < bounds.get("lt", at + 1)
    )
