"""Typed settings from the environment; a missing or malformed value stops the start and names itself."""

from __future__ import annotations

import os
from email.utils import parseaddr
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class SettingsError(Exception):
    """The environment does not make a runnable configuration; the message names each variable."""


def _http_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL that starts with http:// or https://")
    return value.rstrip("/")


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must be a URL that starts with redis://, rediss:// or unix://")
    return value


def _database_url(value: str | None) -> str | None:
    if value is None:
        return None
    scheme, separator, rest = value.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or not separator:
        raise ValueError("must be a URL that starts with postgresql://")
    return f"postgresql+psycopg://{rest}"


def _mail_url(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("must be smtp://host:port or smtps://host:port, with user:password@ before it if needed")
    return value


def _mail_address(value: str | None) -> str | None:
    if value is None:
        return None
    _, address = parseaddr(value)
    if "@" not in address or not value.isprintable():
        raise ValueError("must be an address such as billing@example.com or Billing <billing@example.com>")
    return value


def _statuses(value: str) -> str:
    named = [each.strip() for each in value.split(",")]
    if value != "none" and not set(named) <= {"unpaid", "paused", "canceled"}:
        raise ValueError("must be none, or some of unpaid, paused, canceled, with commas between")
    return ",".join(named)


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _read_pinned() -> dict[str, str]:
    """Ids of prices and meters from the environment. Their names follow from the plans and usage types."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("STRIPE_PRICE_", "STRIPE_METER_")) and name != "STRIPE_METER_STREAM" and value
    }


class Settings(BaseSettings):
    """Everything the application takes from its environment. The field name in capitals is the variable."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    secret_key: SecretStr = Field(min_length=16)
    public_url: HttpUrl = "http://127.0.0.1:5000"

    database_url: Annotated[str | None, AfterValidator(_database_url)] = None
    db_host: str | None = None
    db_port: int = Field(default=5432, ge=1, le=65535)
    db_username: str | None = None
    db_password: SecretStr | None = None
    db_database: str | None = None
    database_pool_size: int = Field(default=8, ge=1, le=200)
    redis_url: Annotated[str, AfterValidator(_redis_url)]

    stripe_secret_key: SecretStr = Field(min_length=8)
    stripe_webhook_secret: SecretStr | None = None
    stripe_event_retention_days: int = Field(default=90, ge=1, le=3_650)
    stripe_api_base: Annotated[str | None, AfterValidator(_http_url)] = None
    # Stripe works taxes out only with a tax registration there and a `tax_behavior` on every price.
    stripe_automatic_tax: bool = False

    # How usage goes to Stripe's meters: calls at once, and events a second over all workers (Stripe allows 1,000 calls
    # by version 1). The stream of version 2 takes 100 events a call; it works with live keys only.
    meter_send_threads: int = Field(default=8, ge=1, le=64)
    meter_events_per_second: int = Field(default=950, ge=1, le=100_000)
    stripe_meter_stream: bool = False
    meter_stream_events_per_second: int = Field(default=10_000, ge=1, le=1_000_000)

    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-zA-Z]{32}$")
    twilio_auth_token: SecretStr = Field(min_length=8)
    twilio_api_base: Annotated[str | None, AfterValidator(_http_url)] = None

    # Signs outgoing webhooks; SECRET_KEY by default. Set it to the old SECRET_KEY before changing that one.
    webhook_signing_key: SecretStr | None = Field(default=None, min_length=16)
    webhook_allow_private: bool = False

    spool_folder: Path | None = None
    spool_interval: float = Field(default=5, ge=0, le=3_600)
    storage_root: Path | None = None

    # What is for sale; dashboard/catalog.toml by default.
    catalog_file: Path | None = None
    # What happens to a tenant that stops paying: see "Billing state" in docs/stripe.md.
    past_due_grace_days: int = Field(default=7, ge=0, le=365)
    read_only_statuses: Annotated[str, AfterValidator(_statuses)] = "unpaid,paused"

    # Where mail goes: a mail server, or a folder of files to look at.
    mail_url: Annotated[SecretStr | None, AfterValidator(_mail_url)] = None
    mail_from: Annotated[str | None, AfterValidator(_mail_address)] = None
    mail_outbox: Path | None = None
    # Whole seconds that Stripe's meter summaries may lag behind what it was told.
    reconciliation_delay: int = Field(default=3_600, ge=0, le=86_400)

    trusted_proxies: int = Field(default=0, ge=0, le=10)
    session_cookie_secure: bool | None = None
    data_credit: str | None = None
    clock_file: Path | None = None
    log_json: bool = False

    # The lines that `flask stripe setup` prints: STRIPE_PRICE_… and STRIPE_METER_… by their full names.
    pinned: dict[str, str] = Field(default_factory=_read_pinned)

    @model_validator(mode="after")
    def _build_database_url(self) -> Self:
        if self.database_url:
            return self
        needed = {"DB_HOST": self.db_host, "DB_USERNAME": self.db_username, "DB_DATABASE": self.db_database}
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ValueError(f"DATABASE_URL is missing (or set {', '.join(missing)} instead)")
        user = quote(self.db_username or "", safe="")
        secret = f":{quote(self.db_password.get_secret_value(), safe='')}" if self.db_password else ""
        self.database_url = (
            f"postgresql+psycopg://{user}{secret}@{self.db_host}:{self.db_port}/{quote(self.db_database or '')}"
        )
        return self

    @field_validator("pinned")
    @classmethod
    def _ids_of_the_right_kind(cls, pinned: dict[str, str]) -> dict[str, str]:
        for name, value in pinned.items():
            prefix = "price_" if name.startswith("STRIPE_PRICE_") else "mtr_"
            if not value.startswith(prefix):
                raise ValueError(f"{name} must hold an id that starts with {prefix}")
        return pinned

    @model_validator(mode="after")
    def _only_the_sandbox_moves_the_clock(self) -> Self:
        # A wrong clock on a live account would put usage into the wrong invoice.
        if self.clock_file and not self.uses_sandbox:
            raise ValueError("CLOCK_FILE is for the sandbox only: set STRIPE_API_BASE to a loopback address")
        return self

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.mail_url and not self.mail_from:
            raise ValueError("MAIL_FROM is missing: mail servers take no mail without a sender")
        if self.mail_url and self.mail_outbox:
            raise ValueError("MAIL_OUTBOX and MAIL_URL are both set: mail goes to one of them")
        return self

    @property
    def uses_sandbox(self) -> bool:
        """Whether Stripe is the stand-in on this machine, where no money moves."""
        return bool(self.stripe_api_base) and urlsplit(self.stripe_api_base or "").hostname in LOOPBACK

    @property
    def stripe_webhook_secrets(self) -> list[str]:
        """The endpoint's secrets: several, separated by commas, while one is rolled. Empty where none is set."""
        given = self.stripe_webhook_secret.get_secret_value() if self.stripe_webhook_secret else ""
        return [secret for each in given.split(",") if (secret := each.strip())]

    @property
    def is_stripe_live(self) -> bool | None:
        """Whether the Stripe key moves real money; None where its form does not tell."""
        words = self.stripe_secret_key.get_secret_value().split("_")
        return {"live": True, "test": False}.get(words[1]) if len(words) > 2 else None

    @property
    def signing_key(self) -> bytes:
        """What the secrets of webhook endpoints are derived from."""
        return (self.webhook_signing_key or self.secret_key).get_secret_value().encode()

    @property
    def api_request_spool(self) -> Path:
        """Where API requests wait to be recorded: a folder for each database, so that none takes another's."""
        name = sha256((self.database_url or "").encode()).hexdigest()[:16]
        return self.spool_folder or Path(gettempdir()) / f"countinghouse-{name}"

    @property
    def secure_cookies(self) -> bool:
        """Cookies travel over TLS only, unless the public address is plain http."""
        if self.session_cookie_secure is not None:
            return self.session_cookie_secure
        return self.public_url.startswith("https://")


def load_settings(**overrides: Any) -> Settings:
    """Read the environment once.

    Raises `SettingsError`, with one line for each variable that is missing or malformed.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _explain(item: ErrorDetails) -> str:
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "too_short":
        message = f"must have at least {item['ctx']['min_length']} characters"
    if not item["loc"] or item["loc"][0] == "pinned":
        return message
    return f"{str(item['loc'][0]).upper()}: {'is missing' if item['type'] == 'missing' else message}"
