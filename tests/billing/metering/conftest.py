"""A subscribed tenant to meter, and everybody that Stripe stands in for here."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from dashboard.models import Tenant
from tests.factories import make_meters, make_period, make_tenant


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A tenant with a Stripe customer, meters, and a billing period around noon of June 15."""
    make_meters(session)
    tenant = make_tenant(session, customer="cus_1")
    make_period(session, tenant)
    return tenant
