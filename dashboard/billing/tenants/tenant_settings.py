"""A tenant's general settings: its name, where billing mail goes, its locale and its time zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_email, need_name
from dashboard.billing.ports.providers import BillingProvider
from dashboard.billing.tenants.audit import changed
from dashboard.database import lock_object
from dashboard.locales import find_locale, list_zones, tag_of
from dashboard.models import Tenant

FIELDS = ("name", "billing_email", "time_zone", "locale")


def read_settings(tenant: Tenant) -> dict[str, str]:
    """The settings as they are, by field."""
    return {name: getattr(tenant, name) for name in FIELDS}


def change_settings(
    session: Session, tenant_id: int, given: Mapping[str, str], provider: BillingProvider
) -> dict[str, list[Any]]:
    """Overwrite the settings, at Stripe too where it keeps them; answers what differs: {field: [old, new]}.

    Raises `InvalidInput`, and `ProviderUnavailable` or `ProviderRefused` when Stripe does not take them: nothing may be
    committed then.
    """
    wanted = {
        "name": need_name(given.get("name"), "name"),
        "billing_email": need_email(given.get("billing_email"), "billing_email"),
        "time_zone": _need_zone(given.get("time_zone")),
        "locale": _need_locale(given.get("locale")),
    }
    # A customer that is being made meanwhile would be made with the old name.
    lock_object(session, "customer-of", tenant_id)
    tenant = session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    differs = changed(read_settings(tenant), wanted)
    for name, value in wanted.items():
        setattr(tenant, name, value)
    session.flush()
    if tenant.stripe_customer_id is not None and differs.keys() & {"name", "billing_email"}:
        provider.update_customer(tenant.stripe_customer_id, name=tenant.name, email=tenant.billing_email)
    return differs


def _need_zone(value: object) -> str:
    if not isinstance(value, str) or value not in list_zones():
        raise InvalidInput("time_zone", "must be UTC or the name of a place such as Europe/Berlin")
    return value


def _need_locale(value: object) -> str:
    found = find_locale(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise InvalidInput("locale", "must be a language with its country, such as en-US, de-CH or pt-BR")
    return tag_of(found)
