"""The sandbox's own controls: clock, deliveries, faults, settings, transcript, reset."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.faults import CALL_KINDS, LONGEST, WEBHOOK_KINDS, Faults
from sandbox.settings import change_settings, settings_of
from sandbox.store import Thing
from sandbox.stripe import billing_cycle, disputes
from sandbox.world import World


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
            return jsonify(world.deliveries.counts())

    @app.post("/_sandbox/events/<event_id>/redeliver")
    def redeliver(event_id: str) -> ResponseReturnValue:
        with world.store.writing():
            event = world.store.get("event", event_id)
            if event is None:
                return jsonify({"error": f"there is no event {event_id}"}), 404
            for endpoint in world.store.all("webhook_endpoint"):
                world.deliveries.plan(event, endpoint["id"])
        return jsonify({"ok": True})

    @app.post("/_sandbox/events")
    def tell() -> ResponseReturnValue:
        """An event that nothing here causes by itself, about an object there is."""
        body = request.get_json()
        with world.store.writing():
            thing = world.store.get(str(body.get("object")), str(body.get("id")))
            if thing is None or not isinstance(body.get("type"), str):
                return jsonify({"error": "give type, and object (its kind) and id of something there is"}), 400
            return jsonify(world.emit(body["type"], thing, body.get("previous_attributes")))

    _register_faults(app, world, faults)

    @app.get("/_sandbox/settings")
    def show_settings() -> ResponseReturnValue:
        with world.store.lock:
            return jsonify(settings_of(world.store))

    @app.post("/_sandbox/settings")
    def set_settings() -> ResponseReturnValue:
        with world.store.writing():
            problem = change_settings(world.store, request.get_json())
            if problem:
                return jsonify({"error": problem}), 400
            return jsonify(settings_of(world.store))

    @app.post("/_sandbox/charges/<charge_id>/dispute")
    def dispute(charge_id: str) -> ResponseReturnValue:
        with world.store.writing():
            charge = world.store.get("charge", charge_id)
            if charge is None or charge["status"] != "succeeded" or charge["disputed"]:
                return jsonify({"error": f"{charge_id}: there is no such charge that can be disputed"}), 404
            return jsonify(disputes.open_dispute(world, charge))

    @app.get("/_sandbox/things")
    def show_things() -> ResponseReturnValue:
        """All that there is, so that it can be put back after a reset."""
        with world.store.lock:
            return jsonify({"things": world.store.everything()})

    @app.post("/_sandbox/things")
    def put_things() -> ResponseReturnValue:
        with world.store.writing():
            for kind, thing_id, thing in request.get_json()["things"]:
                world.store.put(kind, thing, thing_id)
        return jsonify({"ok": True})

    @app.post("/_sandbox/reset")
    def reset() -> ResponseReturnValue:
        with world.store.writing():
            world.store.clear()
            world.clock.move_offset(0)
            faults.clear()
            world.deliveries.faults.clear()
        return jsonify({"ok": True})


def _register_faults(app: Flask, world: World, faults: Faults) -> None:
    """Failures of calls at /_sandbox/faults, of webhooks at /_sandbox/webhook_faults."""

    @app.post("/_sandbox/faults")
    def plan_fault() -> ResponseReturnValue:
        return plan_faults(faults, CALL_KINDS)

    @app.get("/_sandbox/faults")
    def show_faults() -> ResponseReturnValue:
        return jsonify(faults.waiting())

    @app.delete("/_sandbox/faults")
    def clear_faults() -> ResponseReturnValue:
        faults.clear()
        return jsonify({"ok": True})

    @app.post("/_sandbox/webhook_faults")
    def plan_webhook_fault() -> ResponseReturnValue:
        return plan_faults(world.deliveries.faults, WEBHOOK_KINDS)

    @app.delete("/_sandbox/webhook_faults")
    def clear_webhook_faults() -> ResponseReturnValue:
        world.deliveries.faults.clear()
        with world.store.writing():
            world.deliveries.release()
        return jsonify({"ok": True})


def plan_faults(faults: Faults, kinds: tuple[str, ...]) -> ResponseReturnValue:
    """Plan the faults that this request asks for, or say what is wrong with it."""
    body = request.get_json()
    times, seconds = body.get("times", 1), body.get("seconds")
    if body.get("kind") not in kinds or not isinstance(body.get("match"), str):
        return jsonify({"error": f"give match (a text) and kind, one of {', '.join(kinds)}"}), 400
    if not isinstance(times, int) or not 1 <= times <= 10_000:
        return jsonify({"error": "times: must be from 1 to 10000"}), 400
    if seconds is not None and (not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST):
        return jsonify({"error": f"seconds: must be above 0 and at most {LONGEST:.0f}"}), 400
    faults.plan(body["match"], body["kind"], times, seconds)
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
            billing_cycle.forget_old(world)
