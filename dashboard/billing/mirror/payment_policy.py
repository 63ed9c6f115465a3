"""What a tenant may do that stops paying. One pure function decides; docs/stripe.md states it for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.models import Access

# The subscription runs and is paid, or its first payment is still to come: nothing is owed.
_IN_ORDER = frozenset({"active", "trialing", "incomplete", "incomplete_expired"})
# Statuses that an operator may have stop a tenant at once.
STOPPABLE = ("unpaid", "paused", "canceled")


@dataclass(frozen=True, slots=True)
class PaymentPolicy:
    """The operator's choice: how long an unpaid invoice is borne, and which statuses are not borne at all."""

    grace: timedelta
    stopped_statuses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the tenant may do. `read_only_at` is when its grace ends or ended; None where no grace runs."""

    access: Access
    read_only_at: datetime | None


def decide_access(status: str, delinquent_since: datetime | None, now: datetime, policy: PaymentPolicy) -> Decision:
    """What a tenant may do.

    `status` is that of the subscription that counts ("none" without one), `delinquent_since` since when an invoice of
    it is owed, None when none is.

    - No subscription, one in order, or one that ended and left nothing owed: everything (an ended one is on Free).
    - A status of `policy.stopped_statuses`: reading only, at once.
    - Otherwise something is owed: everything until the grace is over, then reading only.
    """
    is_settled = status == "canceled" and delinquent_since is None
    if status == "none" or status in _IN_ORDER or is_settled:
        return Decision(Access.FULL, None)
    if status in policy.stopped_statuses:
        return Decision(Access.READ_ONLY, None)
    if delinquent_since is None:
        return Decision(Access.FULL, None)
    ends = delinquent_since + policy.grace
    return Decision(Access.READ_ONLY if ends <= now else Access.GRACE, ends)
