"""Adapters built once for a process, and where entry points find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, current_app
from redis import Redis
from sqlalchemy.orm import Session

from dashboard.billing.mirror.payment_policy import STOPPABLE, PaymentPolicy
from dashboard.billing.plans.catalog import INTERVALS, CatalogError
from dashboard.billing.plans.plans import PLANS, PricePins, catalog, use_catalog
from dashboard.billing.ports.meters import MeterSender, Pace
from dashboard.billing.ports.providers import BillingProvider, TelephonyProvider
from dashboard.clock import Clock
from dashboard.config import Settings, SettingsError
from dashboard.database import db
from dashboard.integrations.mail_sender import MailSender, build_sender
from dashboard.integrations.pace import SharedPace
from dashboard.integrations.stripe.client import build_client, build_meter_client
from dashboard.integrations.stripe.gateway import StripeGateway
from dashboard.integrations.stripe.meter_gateway import MeterGateway
from dashboard.integrations.stripe.meter_stream import MeterStream
from dashboard.integrations.webhook_sender import WebhookSender

if TYPE_CHECKING:
    from stripe import StripeClient  # at run time the SDK is imported by `dashboard.integrations.stripe`, in its way

# Seconds for which a page waits for what it can do without.
PATIENCE = 3
Row = TypeVar("Row")
At = TypeVar("At")


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an entry point hands to the domain. `brisk_billing` asks once and gives up soon: a page waits for it."""

    settings: Settings
    clock: Clock
    redis: Redis
    pins: PricePins
    payment_policy: PaymentPolicy
    stripe_client: StripeClient
    billing: BillingProvider
    meters: MeterSender
    pace: Pace
    brisk_billing: BillingProvider
    webhooks: WebhookSender
    mail: MailSender | None
    build_telephony: Callable[[], TelephonyProvider]

    @property
    def telephony(self) -> TelephonyProvider:
        """Texts and calls."""
        return self.build_telephony()


def wire(app: Flask, settings: Settings) -> Wiring:
    """Build the adapters and leave them with the application.

    Raises `SettingsError` where the catalogue file is wrong.
    """
    try:
        use_catalog(settings.catalog_file)
    except CatalogError as error:
        raise SettingsError(f"CATALOG_FILE: {error}") from error
    client = build_client(settings)
    clock = Clock(settings.clock_file)
    wiring = Wiring(
        settings=settings,
        clock=clock,
        redis=Redis.from_url(settings.redis_url, socket_connect_timeout=5),
        pins=read_pins(settings),
        payment_policy=read_payment_policy(settings),
        stripe_client=client,
        billing=StripeGateway(client, automatic_tax=settings.stripe_automatic_tax),
        meters=build_meters(settings),
        pace=build_pace(settings),
        brisk_billing=StripeGateway(
            build_client(settings, timeout=PATIENCE, retries=0), automatic_tax=settings.stripe_automatic_tax
        ),
        webhooks=WebhookSender(allow_private=settings.webhook_allow_private),
        mail=build_sender(settings, clock),
        build_telephony=cache(partial(build_telephony, settings)),
    )
    app.extensions["countinghouse"] = wiring
    return wiring


def build_meters(settings: Settings) -> MeterSender:
    """What sends meter events: version 1, or the stream where the operator chose it."""
    client = build_meter_client(settings)
    if settings.stripe_meter_stream:
        return MeterStream(client, lambda token: build_meter_client(settings, token))
    return MeterGateway(client)


def build_pace(settings: Settings) -> Pace:
    """How fast it may send. A Valkey that does not answer at once must not hold it up."""
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=1)
    if settings.stripe_meter_stream:
        return SharedPace(redis, "meter-stream", settings.meter_stream_events_per_second)
    return SharedPace(redis, "meter-events", settings.meter_events_per_second)


def build_telephony(settings: Settings) -> TelephonyProvider:
    """The gateway to Twilio. Imported here: its SDK takes 8 MB, which a process that sends no text does without."""
    from dashboard.integrations.twilio.gateway import TwilioGateway

    return TwilioGateway(settings)


def read_pins(settings: Settings) -> PricePins:
    """The ids an operator pinned: STRIPE_PRICE_<PLAN>_<INTERVAL> and the meters' variables."""
    plans = {
        settings.pinned[name]: (plan, interval)
        for plan in PLANS
        for interval in INTERVALS
        if (name := f"STRIPE_PRICE_{plan.upper()}_{interval.upper()}") in settings.pinned
    }
    meters = {
        kind.name: settings.pinned[kind.meter_setting]
        for kind in catalog().metered
        if kind.meter_setting in settings.pinned
    }
    return PricePins(plans=plans, meters=meters)


def read_payment_policy(settings: Settings) -> PaymentPolicy:
    """What happens to a tenant that stops paying: PAST_DUE_GRACE_DAYS and READ_ONLY_STATUSES."""
    return PaymentPolicy(
        grace=timedelta(days=settings.past_due_grace_days),
        stopped_statuses=frozenset(settings.read_only_statuses.split(",")) & set(STOPPABLE),
    )


def wiring() -> Wiring:
    """The adapters of the running application."""
    found: Wiring = current_app.extensions["countinghouse"]
    return found


def now() -> datetime:
    """The present moment, aware UTC."""
    return wiring().clock.now()


def session() -> Session:
    """The database session of this request or job. The entry point commits it, nothing else does."""
    return db.session()


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One transaction of a job: committed at the end, rolled back on any error."""
    unit = db.session()
    try:
        yield unit
        unit.commit()
    except BaseException:
        unit.rollback()
        raise
    finally:
        db.session.remove()


def read_while_answering(read: Callable[[Session, At | None], tuple[list[Row], At | None]]) -> Iterator[Row]:
    """The rows of every page of `read`, which is given where the page before ended and answers where the next begins.

    Each page has a session of its own: a streamed answer is read when the request's is gone, and one that is taken
    slowly, or never, must keep no connection from others.
    """
    engine = db.engine

    def rows() -> Iterator[Row]:
        after: At | None = None
        while True:
            with Session(engine) as reading:
                page, after = read(reading, after)
            yield from page
            if after is None:
                return

    return rows()
