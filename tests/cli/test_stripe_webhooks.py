"""The operator's commands for the webhook inbox."""

from __future__ import annotations

from flask import Flask

from dashboard.wiring import wiring
from tests.sandbox_server import SandboxServer


def test_stripe_replay_wants_an_event_or_failed(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["stripe", "replay"]).exit_code == 2
    assert runner.invoke(args=["stripe", "replay", "evt_1", "--failed"]).exit_code == 2
    unknown = runner.invoke(args=["stripe", "replay", "evt_1"])
    assert (unknown.exit_code, "no Stripe event evt_1" in unknown.output) == (1, True)
    assert "0 events" in runner.invoke(args=["stripe", "replay", "--failed"]).output


def test_stripe_catch_up_says_how_many_had_not_arrived(app: Flask, sandbox: SandboxServer) -> None:
    wiring().stripe_client.v1.customers.create({"name": "Ada"})
    runner = app.test_cli_runner()
    assert "1 events had not arrived" in runner.invoke(args=["stripe", "catch-up"]).output
    assert "0 events" in runner.invoke(args=["stripe", "catch-up", "--since", "2026-01-01"]).output
    sandbox.fail("GET /v1/events", "error_500", times=9)
    failed = runner.invoke(args=["stripe", "catch-up"])
    assert (failed.exit_code, failed.output.startswith("Error: Stripe")) == (1, True)
