"""What one transaction writes into the mirrors of some tenants: held together, finished together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollups import rebucket_all
from dashboard.billing.mirror.billing_state import mark_stale
from dashboard.billing.mirror.customers import hold_tenants, tenants_of_customers
from dashboard.billing.notices.notices import ToldNotice, store_notices
from dashboard.billing.outgoing_webhooks.outbox import Announcement, announce_all


class Mirror:
    """The mirrors of some customers' tenants, held by this transaction alone.

    Syncs note here what follows from them. `finish` does it at the end: whoever writes usage waits while hours are cut
    again, and all that is done once for all syncs costs one statement.
    """

    def __init__(self, session: Session, now: datetime, tenants: dict[str, int]) -> None:
        self.session, self.now = session, now
        self._tenants = tenants
        self._stale: set[int] = set()
        self._edges: set[tuple[int, datetime]] = set()
        self._announcements: list[Announcement] = []
        self._notices: list[ToldNotice] = []

    def tenant_of(self, customer_id: str) -> int | None:
        """The id of the tenant that is this Stripe customer."""
        return self._tenants.get(customer_id)

    def tie(self, customer_id: str, tenant_id: int) -> None:
        """The customer is this tenant's from now on."""
        self._tenants[customer_id] = tenant_id

    def let_go(self, customer_id: str) -> None:
        """The customer is nobody's from now on."""
        self._tenants.pop(customer_id, None)

    def touch(self, tenant_id: int) -> None:
        """Something under the tenant's billing state changed."""
        self._stale.add(tenant_id)

    def cut(self, edges: Collection[tuple[int, datetime]]) -> None:
        """Billing periods of these tenants begin or end at moments that were not known: their hours are cut again."""
        self._edges |= set(edges)

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """The tenants are to hear of this."""
        self._announcements += announcements

    def notify(self, notices: Iterable[ToldNotice]) -> None:
        """The tenants' members are to be told of this."""
        self._notices += notices

    def finish(self) -> None:
        """Write what follows. Nothing is synced after it."""
        mark_stale(self.session, sorted(self._stale), self.now)
        rebucket_all(self.session, self._edges)
        announce_all(self.session, self._announcements, self.now)
        store_notices(self.session, self._notices, self.now)


def hold_mirrors(
    session: Session, customer_ids: Collection[str], now: datetime, *, named: Collection[int] = ()
) -> Mirror:
    """Hold the mirrors of these customers' tenants, and of the tenants `named` besides, before anything is written.

    Two webhooks of one tenant at once would each hold the tenant's key and wait for the other's (a deadlock) when they
    learn a billing period; so they queue here, before either holds anything.
    """
    session.flush()
    tenants = tenants_of_customers(session, customer_ids)
    hold_tenants(session, {*tenants.values(), *named})
    return Mirror(session, now, tenants)
