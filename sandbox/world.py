"""Everything the sandbox's Stripe works with, and how a change becomes an event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.clock import Clock
from sandbox.errors import missing
from sandbox.settings import settings_of
from sandbox.shapes import first_lines, whole
from sandbox.store import Store, Thing, new_id
from sandbox.webhooks import Deliveries

API_VERSION = "2026-10-28.endive"
# Called with a subscription after each event about one.
FOLLOWERS: list[Callable[[World, Thing], None]] = []


class World:
    """State, clock and outgoing webhooks. Its methods are called with the store's lock held."""

    def __init__(self, store: Store, clock: Clock, deliveries: Deliveries, base: str = "") -> None:
        self.store = store
        self.clock = clock
        self.deliveries = deliveries
        self.base = base
        self.request: Thing = {"id": None, "idempotency_key": None}
        self._is_looking = False

    def setting(self, name: str) -> Any:
        """A setting of the account."""
        return settings_of(self.store)[name]

    @contextmanager
    def only_looking(self) -> Iterator[None]:
        """What is done inside tells nobody and is taken back at the end: for previews."""
        self.store.flush()
        pinned, self._is_looking = self.clock.pinned, True
        try:
            yield
        finally:
            self._is_looking, self.clock.pinned = False, pinned
            self.store.take_back()

    def need(self, kind: str, thing_id: str) -> Thing:
        """A thing that must be there; a 404 in Stripe's words otherwise."""
        thing = self.store.get(kind, thing_id)
        if thing is None:
            raise missing(kind, thing_id)
        return thing

    def create(self, thing: Thing, event: str | None = None) -> Thing:
        """Keep a new thing and tell of it."""
        thing = whole(thing)
        self.store.put(thing["object"], thing)
        if event:
            self.emit(event, thing)
        return thing

    def change(self, thing: Thing, event: str | None, **changes: Any) -> Thing:
        """Change a thing and tell what it was before."""
        before = {key: thing.get(key) for key, value in changes.items() if thing.get(key) != value}
        thing.update(changes)
        self.store.put(thing["object"], thing)
        if event and before:
            self.emit(event, thing, before)
        return thing

    def emit(self, kind: str, thing: Thing, before: Thing | None = None) -> Thing:
        """An event about a thing as it is now, on its way to every endpoint that wants it."""
        event = self._event(kind, thing, before)
        if self._is_looking:
            return event
        endpoints = [
            endpoint
            for endpoint in self.store.all("webhook_endpoint")
            if endpoint["status"] == "enabled" and {"*", kind} & set(endpoint["enabled_events"])
        ]
        event["pending_webhooks"] = len(endpoints)
        self.deliveries.note({"kind": "event", "body": event})
        self.store.put("event", event)
        for endpoint in endpoints:
            self.deliveries.plan(event, endpoint["id"])
        if kind.startswith("customer.subscription."):
            for follow in FOLLOWERS:
                follow(self, thing)
        return event

    def _event(self, kind: str, thing: Thing, before: Thing | None) -> Thing:
        data: Thing = {"object": first_lines(thing)}
        if before:
            data["previous_attributes"] = before
        return {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.clock.seconds(),
            "data": json.loads(json.dumps(data)),
            "livemode": False,
            "pending_webhooks": 0,
            "request": dict(self.request),
            "type": kind,
        }
