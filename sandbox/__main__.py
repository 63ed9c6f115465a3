"""`python -m sandbox`: both servers in one process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from sandbox import control, hosted, hosted_invoice, hosted_portal
from sandbox.clock import Clock
from sandbox.control import Transcript
from sandbox.faults import Faults
from sandbox.server import Server
from sandbox.store import OutdatedState, Store
from sandbox.stripe.app import register as register_stripe
from sandbox.twilio.app import create_app as create_twilio
from sandbox.twilio.callbacks import Callbacks
from sandbox.webhooks import Deliveries
from sandbox.world import World


def main() -> None:
    """Start, say where, serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in Stripe and Twilio.")
    parser.add_argument("--data", type=Path, required=True, help="folder of its state")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--stripe-port", type=int, default=12111, help="0 takes a free one")
    parser.add_argument("--twilio-port", type=int, default=12112, help="0 takes a free one")
    parser.add_argument("--clock-file", type=Path, help="file that tells others the clock's offset")
    parser.add_argument("--transcript", type=Path, help="file that gets every request, answer, event and webhook")
    options = parser.parse_args()
    try:
        store = Store(options.data)
    except OutdatedState as problem:
        sys.exit(f"{options.data}: {problem}")
    clock = Clock(options.data / "clock.json", options.clock_file)
    transcript, faults, callbacks = Transcript(options.transcript), Faults(), Callbacks(store)
    deliveries = Deliveries(store, transcript.write)
    world = World(store, clock, deliveries)
    stripe = _serve(_stripe_app(world, faults, transcript), options.host, options.stripe_port, "--stripe-port")
    twilio = _serve(create_twilio(store, clock, callbacks, faults), options.host, options.twilio_port, "--twilio-port")
    world.base = f"http://{options.host}:{stripe.port}"
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    deliveries.start()
    callbacks.start()
    for work in (stripe.serve_forever, twilio.serve_forever):
        threading.Thread(target=work, daemon=True).start()
    print(f"ready stripe={world.base} twilio=http://{options.host}:{twilio.port}", flush=True)
    control.keep_time(world, stopping)
    deliveries.stop()
    with store.writing():
        pass


def _stripe_app(world: World, faults: Faults, transcript: Transcript) -> Flask:
    app = Flask("sandbox")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.jinja_env.filters["day"] = _day
    register_stripe(app, world, faults, transcript)
    control.register(app, world, faults)
    for pages in (hosted, hosted_portal, hosted_invoice):
        pages.register(app, world)
    return app


def _day(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%b %Y}"


def _serve(app: Flask, host: str, port: int, option: str) -> Server:
    app.config["PROPAGATE_EXCEPTIONS"] = True
    try:
        return Server(host, port, app)
    except OSError:
        sys.exit(f"port {port} on {host} is taken: stop what listens there or choose another with {option}")


if __name__ == "__main__":
    main()
