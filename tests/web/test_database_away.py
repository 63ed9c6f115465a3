"""Without its database the application says so, by 503: Stripe then sends its webhooks again."""

from __future__ import annotations

import pytest
from flask import Flask

from dashboard.app import create_app
from embedded.ports import free_port
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import event, post


@pytest.fixture
def app_without_database(stack: Stack, sandbox_server: SandboxServer) -> Flask:
    """An application whose database does not answer."""
    return create_app(settings_for(stack, sandbox_server, f"postgresql://nobody@127.0.0.1:{free_port()}/none"))


def test_the_api_answers_503_as_a_problem(app_without_database: Flask) -> None:
    answer = app_without_database.test_client().get(
        "/api/billing/usage", headers={"Authorization": f"Bearer ch_1_{'0' * 32}"}
    )
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "5"


def test_a_webhook_is_answered_503_so_that_stripe_sends_it_again(app_without_database: Flask) -> None:
    assert post(app_without_database.test_client(), event()).status_code == 503


def test_a_page_answers_503_for_people_whoever_is_logged_in(app_without_database: Flask) -> None:
    client = app_without_database.test_client()
    with client.session_transaction() as kept:
        kept["_user_id"] = "1"
    answer = client.get("/tenants/1/usage")
    assert answer.status_code == 503
    assert "The database cannot be reached" in answer.text


def test_a_command_says_it_in_one_line(app_without_database: Flask) -> None:
    result = app_without_database.test_cli_runner().invoke(args=["accounts", "create-key", "1", "--name", "platform"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: the database cannot be reached: ")
    assert result.output.count("\n") == 1
