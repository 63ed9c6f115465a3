"""The sandbox's own controls: clock, deliveries, faults, transcript, reset."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.store import Thing
from sandbox.stripe import billing_cycle
from sandbox.world import World

KINDS = ("error_500", "rate_limit", "drop_before", "drop_after")


class ConnectionDropped(ConnectionError):
    """Close the connection without an answer: the server takes it as the client having gone."""


class Faults:
    """Failures on demand: the next calls that match fail in the way asked for."""

    def __init__(self) -> None:
        self._waiting: list[Thing] = []
        self._lock = threading.Lock()

    def plan(self, match: str, kind: str, times: int) -> None:
        """The next `times` calls whose "METHOD path" begins with `match` fail."""
        with self._lock:
            self._waiting.append({"match": match, "kind": kind, "left": times})

    def clear(self) -> None:
        """No more failures."""
        with self._lock:
            self._waiting.clear()

    def take(self, call: str) -> str | None:
        """The failure of this call, if one is due."""
        with self._lock:
            for fault in self._waiting:
                if fault["left"] and call.startswith(fault["match"]):
                    fault["left"] -= 1
                    return str(fault["kind"])
        return None

    def before(self, fault: str | None) -> tuple[int, Thing] | None:
        """An answer instead of the call, or a dropped connection before it."""
        if fault == "error_500":
            return 500, {"error": {"type": "api_error", "message": "An error on the sandbox's side, as asked for."}}
        if fault == "rate_limit":
            return 429, {
                "error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}
            }
        if fault == "drop_before":
            raise ConnectionDropped
        return None

    def after(self, fault: str | None) -> None:
        """A dropped connection after the call was performed."""
        if fault == "drop_after":
            raise ConnectionDropped


class Transcript:
    """Every request, answer and webhook as a line of JSON, for those who check them against the SDK."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="utf-8") if path else None
        self._lock = threading.Lock()

    def write(self, entry: Thing) -> None:
        """One line."""
        if self._file:
            with self._lock:
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()


def register(app: Flask, world: World, faults: Faults) -> None:
    """Answer everything below /_sandbox."""

    @app.get("/_sandbox/health")
    def health() -> ResponseReturnValue:
        return jsonify({"ok": True})

    @app.get("/_sandbox/clock")
    def show_clock() -> ResponseReturnValue:
        return jsonify({"now": world.clock.now(), "offset": world.clock.offset})

    @app.post("/_sandbox/clock")
    def move_clock() -> ResponseReturnValue:
        with world.store.writing():
            problem = _move(world, request.get_json())
        if problem:
            return jsonify({"error": problem}), 400
        return jsonify({"now": world.clock.now(), "offset": world.clock.offset})

    @app.get("/_sandbox/deliveries")
    def show_deliveries() -> ResponseReturnValue:
        with world.store.lock:
            return jsonify(world.deliveries.count())

    @app.post("/_sandbox/events/<event_id>/redeliver")
    def redeliver(event_id: str) -> ResponseReturnValue:
        with world.store.writing():
            event = world.store.get("event", event_id)
            if event is None:
                return jsonify({"error": f"there is no event {event_id}"}), 404
            for endpoint in world.store.all("webhook_endpoint"):
                world.deliveries.plan(event_id, endpoint["id"])
        return jsonify({"ok": True})

    @app.post("/_sandbox/faults")
    def plan_fault() -> ResponseReturnValue:
        body = request.get_json()
        if body.get("kind") not in KINDS or not body.get("match"):
            return jsonify({"error": f"give match and kind, one of {', '.join(KINDS)}"}), 400
        faults.plan(body["match"], body["kind"], int(body.get("times", 1)))
        return jsonify({"ok": True})

    @app.delete("/_sandbox/faults")
    def clear_faults() -> ResponseReturnValue:
        faults.clear()
        return jsonify({"ok": True})

    @app.post("/_sandbox/reset")
    def reset() -> ResponseReturnValue:
        with world.store.writing():
            world.store.clear()
            world.clock.move_offset(0)
            faults.clear()
        return jsonify({"ok": True})


def _move(world: World, body: dict[str, Any]) -> str | None:
    """Move the clock; answers what is wrong with the wish, if anything is."""
    if "set_to" in body:
        if world.store.all("subscription"):
            return "set_to: the clock can be set only while there is no subscription; use advance_to"
        world.clock.set_now(float(body["set_to"]))
        return None
    if "advance_to" not in body and "advance_by" not in body:
        return "give advance_to (Unix seconds), advance_by (seconds) or set_to (Unix seconds)"
    target = float(body["advance_to"]) if "advance_to" in body else world.clock.now() + float(body["advance_by"])
    if target < world.clock.now() - 1:
        return "advance_to: the clock does not go back"
    billing_cycle.advance(world, target)
    return None


def keep_time(world: World, stopping: threading.Event) -> None:
    """Real time passes too: do what falls due, once a second."""
    while not stopping.wait(1):
        with world.store.writing():
            billing_cycle.work_off(world)
