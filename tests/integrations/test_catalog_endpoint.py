"""What sends us events, of `flask stripe setup`: made once, rolled to a new API version, its secret never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from stripe import WebhookEndpoint
from stripe.v2.core import EventDestination

from dashboard.app import create_app
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import set_up_webhook
from dashboard.integrations.stripe.event_types import handled_event_types, thin_event_types
from dashboard.wiring import wiring
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.integrations.test_catalog_setup import apply, run
from tests.sandbox_server import SandboxServer

URL = "http://127.0.0.1:5000/api/billing/webhook"


def endpoints() -> list[WebhookEndpoint]:
    """Those at our address, oldest first."""
    listed = wiring().stripe_client.v1.webhook_endpoints.list({"limit": 100}).data
    return [each for each in reversed(listed) if each.url == URL]


def destinations() -> list[EventDestination]:
    """Those of thin events at our address, oldest first."""
    listed = wiring().stripe_client.v2.core.event_destinations.list({"include": ["webhook_endpoint.url"]}).data
    return [each for each in reversed(listed) if each.webhook_endpoint and each.webhook_endpoint.url == URL]


def posted(sandbox: SandboxServer, since: int) -> list[str]:
    """The paths of what was posted after this byte of the transcript."""
    lines = map(json.loads, sandbox.transcript.read_bytes()[since:].splitlines())
    return [line["path"] for line in lines if line.get("method") == "POST"]


@contextmanager
def knowing(stack: Stack, sandbox: SandboxServer, database_url: str, secrets: str) -> Iterator[Flask]:
    """The application with these secrets in its environment."""
    app = create_app(settings_for(stack, sandbox, database_url, stripe_webhook_secret=secrets))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_the_endpoint_asks_for_exactly_the_events_we_handle(app: Flask) -> None:
    assert apply(app, "--webhook")["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    (endpoint,) = endpoints()
    assert (endpoint.api_version, endpoint.status) == ("2026-10-28.endive", "enabled")
    assert sorted(endpoint.enabled_events) == handled_event_types()
    assert {"customer.subscription.updated", "invoice.paid", "checkout.session.completed"} <= set(
        endpoint.enabled_events
    )
    assert "*" not in endpoint.enabled_events
    assert "account.updated" not in endpoint.enabled_events


def test_the_destination_asks_for_the_two_thin_events_that_no_endpoint_brings(app: Flask) -> None:
    endpoint_secret, known, secret = apply(app, "--webhook")["STRIPE_WEBHOOK_SECRET"].split(",")
    assert known == "whsec_of_the_tests"
    assert secret.startswith("whsec_")
    assert secret != endpoint_secret
    (destination,) = destinations()
    assert (destination.event_payload, destination.status) == ("thin", "enabled")
    assert sorted(destination.enabled_events) == thin_event_types()
    assert thin_event_types() == [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    assert not set(thin_event_types()) & set(handled_event_types())


@pytest.mark.parametrize(
    ("by_hand", "words", "calls"),
    [
        ({"enabled_events": ["v1.billing.meter.no_meter_found"]}, "+v1.billing.meter.error_report_triggered", ""),
        ({}, "status: disabled -> enabled", "/enable"),
    ],
    ids=["other events", "disabled"],
)
def test_a_destination_is_mended_in_place_where_it_differs(
    app: Flask, sandbox: SandboxServer, by_hand: Any, words: str, calls: str
) -> None:
    apply(app, "--webhook")
    (there,) = destinations()
    at_stripe = wiring().stripe_client.v2.core.event_destinations
    if by_hand:
        at_stripe.update(there.id, by_hand)
    else:
        at_stripe.disable(there.id)
    assert words in run(app, "plan", "--webhook", code=2).stdout
    before = sandbox.transcript.stat().st_size
    assert "STRIPE_WEBHOOK_SECRET" not in apply(app, "--webhook")
    assert posted(sandbox, before) == [f"/v2/core/event_destinations/{there.id}{calls}"]
    (mended,) = destinations()
    assert (mended.id, mended.status, sorted(mended.enabled_events)) == (there.id, "enabled", thin_event_types())
    assert run(app, "plan", "--webhook").exit_code == 0


def test_a_destination_made_by_hand_is_taken_as_ours(app: Flask) -> None:
    made = wiring().stripe_client.v2.core.event_destinations.create(
        {
            "name": "by hand",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": thin_event_types(),
            "webhook_endpoint": {"url": URL},
        }
    )
    assert "," in apply(app, "--webhook")["STRIPE_WEBHOOK_SECRET"]  # the endpoint's beside the one there was
    assert [each.id for each in destinations()] == [made.id]


def test_it_is_registered_once_and_its_secret_told_once(app: Flask) -> None:
    assert "STRIPE_WEBHOOK_SECRET" in apply(app, "--webhook")
    result = run(app, "apply", "--webhook")
    assert "STRIPE_WEBHOOK_SECRET" not in result.stdout
    assert "was there before" in result.stderr
    assert (len(endpoints()), len(destinations())) == (1, 1)
    assert run(app, "plan", "--webhook").exit_code == 0


def test_without_the_word_webhook_no_endpoint_is_made(app: Flask) -> None:
    assert "STRIPE_WEBHOOK_SECRET" not in apply(app)
    assert (endpoints(), destinations()) == ([], [])


def test_other_events_are_mended_in_place(app: Flask) -> None:
    apply(app, "--webhook")
    (endpoint,) = endpoints()
    wiring().stripe_client.v1.webhook_endpoints.update(
        endpoint.id, {"enabled_events": ["invoice.paid", "account.updated"], "disabled": True}
    )
    output = run(app, "plan", "--webhook", code=2).stdout
    assert "status: disabled -> enabled" in output
    assert "-account.updated" in output
    assert "+invoice.voided" in output
    assert "STRIPE_WEBHOOK_SECRET" not in apply(app, "--webhook")
    (mended,) = endpoints()
    assert (mended.id, mended.status) == (endpoint.id, "enabled")
    assert sorted(mended.enabled_events) == handled_event_types()


def test_another_api_version_is_rolled_without_losing_an_event(
    stack: Stack, sandbox: SandboxServer, app: Flask, database_url: str
) -> None:
    old: Any = {"url": URL, "enabled_events": ["*"], "api_version": "2024-06-20"}
    secret = wiring().stripe_client.v1.webhook_endpoints.create(old).secret
    with knowing(stack, sandbox, database_url, secret or "") as before:
        line = apply(before, "--webhook")["STRIPE_WEBHOOK_SECRET"]
        new_first, kept, new_last = line.split(",")
        assert kept == secret
        assert [each.status for each in endpoints()] == ["enabled", "enabled"]
        assert (
            "stays until STRIPE_WEBHOOK_SECRET holds the secret of the new one"
            in run(before, "plan", "--webhook").stdout
        )
        assert "does not hold the secret" in run(before, "verify", code=1).stdout
    with knowing(stack, sandbox, database_url, line) as during:
        assert "its secret can leave STRIPE_WEBHOOK_SECRET" in run(during, "plan", "--webhook", code=2).stdout
        apply(during, "--webhook")
        assert [(each.api_version, each.status) for each in endpoints()] == [
            ("2024-06-20", "disabled"),
            ("2026-10-28.endive", "enabled"),
        ]
        assert run(during, "plan", "--webhook").exit_code == 0
    with knowing(stack, sandbox, database_url, f"{new_first},{new_last}") as after:
        assert "as the catalogue says" in run(after, "verify").stdout


def test_an_answer_that_was_lost_once_is_had_by_the_sdks_own_retry(app: Flask, sandbox: SandboxServer) -> None:
    apply(app)
    sandbox.fail("POST /v1/webhook_endpoints", "drop_after")
    sandbox.fail("POST /v2/core/event_destinations", "drop_after")
    assert apply(app, "--webhook")["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert (len(endpoints()), len(destinations())) == (1, 1)


def test_a_secret_that_was_lost_on_its_way_makes_another_endpoint(app: Flask) -> None:
    unread: Any = {
        "url": URL,
        "enabled_events": ["*"],
        "api_version": "2026-10-28.endive",
        "metadata": {"signing_secret": "not handed over yet"},
    }
    lost = wiring().stripe_client.v1.webhook_endpoints.create(unread)
    assert f"{lost.id}: its secret was lost" in run(app, "plan", "--webhook", code=2).stdout
    assert "STRIPE_WEBHOOK_SECRET" in apply(app, "--webhook")
    assert [each.status for each in endpoints()] == ["disabled", "enabled"]
    assert run(app, "plan", "--webhook").exit_code == 0


def test_the_function_of_the_demo_answers_the_secret_once(app: Flask) -> None:
    line = set_up_webhook(wiring().stripe_client, URL)
    assert line is not None
    assert line.name == "STRIPE_WEBHOOK_SECRET"
    assert [secret[:6] for secret in line.value.split(",")] == ["whsec_", "whsec_"]
    assert set_up_webhook(wiring().stripe_client, URL) is None
    assert (len(endpoints()), len(destinations())) == (1, 1)
    wiring().stripe_client.v2.core.event_destinations.delete(destinations()[0].id)
    line = set_up_webhook(wiring().stripe_client, URL, ["whsec_known"])
    assert line is not None
    assert line.value.startswith("whsec_known,whsec_")


def test_a_file_takes_the_lines_keeps_its_others_and_is_its_owners_alone(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nSECRET_KEY=abc\nexport STRIPE_WEBHOOK_SECRET=old\nSTRIPE_WEBHOOK_SECRET=older\n")
    path.chmod(0o644)
    result = run(app, "apply", "--webhook", "--write-env", str(path))
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# ours", "SECRET_KEY=abc"]
    assert lines[2].startswith("export STRIPE_WEBHOOK_SECRET=whsec_")
    assert sum("STRIPE_WEBHOOK_SECRET" in line for line in lines) == 1
    assert any(line.startswith("STRIPE_PRICE_STARTER_MONTHLY=price_") for line in lines)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
    assert "whsec_" not in result.output


def test_a_file_that_cannot_be_written_leaves_the_secret_to_the_next_run(app: Flask, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "env")
    assert "cannot be written" in run(app, "apply", "--webhook", "--write-env", nowhere, code=1).output
    run(app, "apply", "--webhook", "--write-env", str(tmp_path / "env"))
    assert "STRIPE_WEBHOOK_SECRET=whsec_" in (tmp_path / "env").read_text()
    assert [each.status for each in endpoints()] == ["disabled", "enabled"]
    assert [each.status for each in destinations()] == ["disabled", "enabled"]


@pytest.mark.parametrize("words", [("plan", "--webhook"), ("verify",)])
def test_what_only_looks_makes_no_endpoint(app: Flask, words: tuple[str, ...]) -> None:
    app.test_cli_runner().invoke(args=["stripe", "setup", *words])
    assert (endpoints(), destinations()) == ([], [])
