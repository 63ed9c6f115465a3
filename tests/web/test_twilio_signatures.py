"""What counts as signed by Twilio: forms, repeated parameters, JSON bodies, and the address behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.platform import IsolatedClient
from tests.sandbox_server import SandboxServer
from tests.telephony import TEXT_SID, TOKEN, post_form, post_json

PATH = "/api/twilio/sms"
TEXT = {"MessageSid": TEXT_SID, "SmsStatus": "received", "To": "+15005550123", "From": "+15551239999"}
PROXIED = "https://billing.example.com/app"


def test_every_value_of_a_repeated_parameter_is_signed(client: FlaskClient) -> None:
    form = MultiDict([*TEXT.items(), ("MediaUrl", "b"), ("MediaUrl", "a")])
    assert post_form(client, PATH, form).status_code == 200
    signature = RequestValidator(TOKEN).compute_signature(f"http://127.0.0.1:5000{PATH}", form)
    more = MultiDict([*form.items(multi=True), ("MediaUrl", "c")])
    assert client.post(PATH, data=more, headers={"X-Twilio-Signature": signature}).status_code == 403


def test_the_query_is_signed_as_it_came(client: FlaskClient) -> None:
    assert post_form(client, f"{PATH}?a=%7Eb&c=d+e&f", TEXT).status_code == 200
    signature = RequestValidator(TOKEN).compute_signature(f"http://127.0.0.1:5000{PATH}?a=1", TEXT)
    assert client.post(f"{PATH}?a=2", data=TEXT, headers={"X-Twilio-Signature": signature}).status_code == 403


def test_a_json_body_without_its_hash_counts_as_unsigned(client: FlaskClient) -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"http://127.0.0.1:5000{PATH}", {})
    assert client.post(PATH, json=TEXT, headers={"X-Twilio-Signature": signature}).status_code == 403


def test_a_json_body_with_the_hash_of_another_is_refused(client: FlaskClient) -> None:
    assert post_json(client, PATH, TEXT, signed="{}").status_code == 403


def test_a_signed_body_that_is_no_object_is_a_400(client: FlaskClient) -> None:
    assert post_json(client, PATH, [TEXT]).status_code == 400
    assert post_json(client, PATH, {**TEXT, "From": "\ud800"}).status_code == 400


def test_a_body_that_is_no_text_is_refused(client: FlaskClient) -> None:
    address = f"{PATH}?bodySHA256=00"
    signature = RequestValidator(TOKEN).compute_signature(f"http://127.0.0.1:5000{address}", {})
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/json"}
    assert client.post(address, data=b"\xff\xfe", headers=headers).status_code == 403


@pytest.fixture
def proxied(stack: Stack, sandbox: SandboxServer, database_url: str) -> Iterator[Flask]:
    """An application whose proxy speaks TLS, and takes a folder off the address."""
    app = create_app(settings_for(stack, sandbox, database_url, public_url=PROXIED, trusted_proxies=1))
    app.test_client_class = IsolatedClient
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()


def test_behind_a_proxy_the_public_address_is_what_is_signed(proxied: Flask) -> None:
    client = proxied.test_client()
    assert post_form(client, f"{PATH}?a=1", TEXT, base=PROXIED).status_code == 200
    assert post_form(client, f"{PATH}?a=1", TEXT, base="http://localhost").status_code == 403
    assert post_form(client, f"{PATH}?a=1", TEXT, base="https://billing.example.com:443/app").status_code == 200
