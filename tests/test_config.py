"""Settings: a missing or malformed value stops the start and names itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.billing.mirror.payment_policy import PaymentPolicy
from dashboard.config import Settings, SettingsError, load_settings
from dashboard.wiring import read_payment_policy

GOOD = {
    "SECRET_KEY": "0123456789abcdef",
    "DATABASE_URL": "postgresql://u:p@127.0.0.1/db",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "STRIPE_SECRET_KEY": "sk_test_123",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0123456789",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A good environment and nothing else."""
    for name in (*(field.upper() for field in Settings.model_fields), "STRIPE_PRICE_STARTER_MONTHLY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_good_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().database_url == "postgresql+psycopg://u:p@127.0.0.1/db"


def test_the_stream_is_switched_on_and_is_no_meter(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_METER_STREAM", "on")
    environment.setenv("STRIPE_METER_SMS_SENT", "mtr_1")
    settings = load_settings()
    assert (settings.stripe_meter_stream, settings.pinned) == (True, {"STRIPE_METER_SMS_SENT": "mtr_1"})


@pytest.mark.parametrize("name", ["SECRET_KEY", "REDIS_URL", "STRIPE_SECRET_KEY", "TWILIO_ACCOUNT_SID", "DATABASE_URL"])
def test_a_missing_value_names_itself(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=name):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://x/y"),
        ("REDIS_URL", "http://x"),
        ("PUBLIC_URL", "ftp://x"),
        ("DB_PORT", "many"),
        ("TWILIO_ACCOUNT_SID", "XY1"),
        ("CLOCK_FILE", "clock.json"),
        ("STRIPE_PRICE_STARTER_MONTHLY", "prod_1"),
        ("WEBHOOK_SIGNING_KEY", "short"),
        ("WEBHOOK_ALLOW_PRIVATE", "perhaps"),
        ("SPOOL_INTERVAL", "-1"),
        ("PAST_DUE_GRACE_DAYS", "366"),
        ("READ_ONLY_STATUSES", "active"),
        ("METER_SEND_THREADS", "0"),
        ("METER_EVENTS_PER_SECOND", "fast"),
        ("STRIPE_METER_STREAM", "perhaps"),
    ],
)
def test_a_malformed_value_names_itself_and_is_not_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_a_secret_that_is_too_short_says_how_long_it_must_be(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", "short")
    with pytest.raises(SettingsError, match="SECRET_KEY: must have at least 16 characters"):
        load_settings()


def test_db_parts_make_a_url(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    for name, value in {"HOST": "db", "USERNAME": "me", "PASSWORD": "p@ss/word", "DATABASE": "books"}.items():
        environment.setenv(f"DB_{name}", value)
    assert load_settings().database_url == "postgresql+psycopg://me:p%40ss%2Fword@db:5432/books"


def test_secrets_do_not_print(environment: pytest.MonkeyPatch) -> None:
    assert "sk_test_123" not in repr(load_settings())


def test_webhooks_are_signed_with_the_secret_key_until_another_is_set(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().signing_key == GOOD["SECRET_KEY"].encode()
    environment.setenv("WEBHOOK_SIGNING_KEY", "the key of last year")
    assert load_settings().signing_key == b"the key of last year"


def test_the_policy_for_who_does_not_pay_is_a_setting(environment: pytest.MonkeyPatch) -> None:
    usual = PaymentPolicy(timedelta(days=7), frozenset({"unpaid", "paused"}))
    assert read_payment_policy(load_settings()) == usual
    environment.setenv("PAST_DUE_GRACE_DAYS", "0")
    environment.setenv("READ_ONLY_STATUSES", "unpaid, canceled")
    strict = PaymentPolicy(timedelta(0), frozenset({"unpaid", "canceled"}))
    assert read_payment_policy(load_settings()) == strict
    environment.setenv("READ_ONLY_STATUSES", "none")
    assert read_payment_policy(load_settings()).stopped_statuses == frozenset()


def test_each_database_has_a_spool_of_its_own(environment: pytest.MonkeyPatch) -> None:
    first = load_settings().api_request_spool
    environment.setenv("DATABASE_URL", "postgresql://u:p@127.0.0.1/other")
    assert load_settings().api_request_spool != first
    environment.setenv("SPOOL_FOLDER", "/var/lib/countinghouse/spool")
    assert str(load_settings().api_request_spool) == "/var/lib/countinghouse/spool"
