"""Addresses with an id: one that no table can hold is no address of ours."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.fields import MAX_ID
from tests.platform import bearer, log_in, new_tenant
from tests.telephony import TEXT_SID, post_form

READ = ("billing/usage/events", "billing/usage/sync", "messages/sms", "calls", "webhook-endpoints")


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("id_", [0, MAX_ID, MAX_ID + 1])
def test_an_id_of_nothing_is_a_404_in_the_api(client: FlaskClient, path: str, id_: int) -> None:
    _, key = new_tenant()
    answer = client.get(f"/api/{path}/{id_}", headers=bearer(key))
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("id_", [0, MAX_ID, MAX_ID + 1])
def test_a_signed_callback_about_an_id_of_nothing_is_a_404(client: FlaskClient, id_: int) -> None:
    form = {"MessageSid": TEXT_SID, "MessageStatus": "sent", "To": "+15551230000", "From": "+15005550006"}
    assert post_form(client, f"/api/twilio/status/{id_}/{id_}", form).status_code == 404


@pytest.mark.parametrize("id_", [0, MAX_ID, MAX_ID + 1])
def test_a_page_of_a_tenant_that_cannot_be_is_a_404(app: Flask, id_: int) -> None:
    assert log_in(app, staff=True).get(f"/tenants/{id_}/usage").status_code == 404
