"""What a tenant may do that stops paying: the whole table."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dashboard.billing.mirror.payment_policy import PaymentPolicy, decide_access
from dashboard.models import Access
from tests.factories import NOON

WEEK = timedelta(days=7)
USUAL = PaymentPolicy(grace=WEEK, stopped_statuses=frozenset({"unpaid", "paused"}))
STRICT = PaymentPolicy(grace=timedelta(0), stopped_statuses=frozenset({"unpaid", "paused", "canceled"}))
MILD = PaymentPolicy(grace=WEEK, stopped_statuses=frozenset())
SECOND = timedelta(seconds=1)
FULL, GRACE, READ_ONLY = Access.FULL, Access.GRACE, Access.READ_ONLY


@pytest.mark.parametrize(
    ("status", "since", "policy", "access", "read_only_at"),
    [
        ("none", None, USUAL, FULL, None),
        ("active", None, USUAL, FULL, None),
        ("trialing", None, USUAL, FULL, None),
        ("incomplete", NOON - 30 * WEEK, USUAL, FULL, None),
        ("incomplete_expired", None, USUAL, FULL, None),
        ("active", None, STRICT, FULL, None),
        ("past_due", NOON, USUAL, GRACE, NOON + WEEK),
        ("past_due", NOON - WEEK + SECOND, USUAL, GRACE, NOON + SECOND),
        ("past_due", NOON - WEEK, USUAL, READ_ONLY, NOON),
        ("past_due", NOON - 2 * WEEK, USUAL, READ_ONLY, NOON - WEEK),
        ("past_due", NOON, STRICT, READ_ONLY, NOON),
        ("unpaid", NOON, USUAL, READ_ONLY, None),
        ("unpaid", NOON, MILD, GRACE, NOON + WEEK),
        ("unpaid", NOON - WEEK, MILD, READ_ONLY, NOON),
        ("paused", None, USUAL, READ_ONLY, None),
        ("paused", None, MILD, FULL, None),
        ("paused", NOON, MILD, GRACE, NOON + WEEK),
        ("canceled", None, USUAL, FULL, None),
        ("canceled", None, STRICT, FULL, None),
        ("canceled", NOON, USUAL, GRACE, NOON + WEEK),
        ("canceled", NOON - WEEK, USUAL, READ_ONLY, NOON),
        ("canceled", NOON, STRICT, READ_ONLY, None),
    ],
)
def test_access_follows_from_status_debt_time_and_policy(
    status: str, since: datetime | None, policy: PaymentPolicy, access: Access, read_only_at: datetime | None
) -> None:
    decision = decide_access(status, since, NOON, policy)
    assert (decision.access, decision.read_only_at) == (access, read_only_at)
