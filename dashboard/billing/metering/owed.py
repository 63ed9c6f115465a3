"""What is owed to Stripe's meters, in SQL: shared by what claims it, settles it otherwise, or counts it.

`r` is a row of `usage_rollups`. Parameters: usage_types (those with a meter), now, oldest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.plans.plans import metered_events

# Stripe refuses meter events older than 35 days (docs: "Record usage for billing with the API").
# An hour less leaves time between claim and delivery.
OLDEST = timedelta(days=35) - timedelta(hours=1)

# The total differs from what was claimed. A level is owed at its first reading too, even a reading of 0.
CHANGED = f"""
    r.is_due AND CASE WHEN r.{LEVEL} THEN r.events > 0 ELSE r.quantity <> r.claimed END
    AND r.usage_type = ANY(:usage_types)
"""

# `p`: the billing period that the bucket lies in. Buckets are cut at its edges, so there is one or none.
IN_PERIOD = "p.tenant_id = r.tenant_id AND p.starts_at <= r.bucket_start AND p.ends_at > r.bucket_start"

# The invoice that bills the bucket's usage is final: what a meter is told from now on is on no invoice.
FINAL_INVOICE = """
    SELECT i.id FROM invoices i
      JOIN invoice_lines l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.id
     WHERE i.tenant_id = r.tenant_id AND i.subscription_id = p.subscription_id AND i.finalized_at IS NOT NULL
       AND l.usage_type IS NOT NULL AND l.period_start <= r.bucket_start AND l.period_end > r.bucket_start
"""

# What a meter can be told: young enough, in a period whose invoice is not final.
SENDABLE = f"""
    r.bucket_start >= :oldest AND EXISTS (
        SELECT FROM billing_periods p WHERE {IN_PERIOD}
           AND (p.ends_at > :now OR NOT EXISTS ({FINAL_INVOICE})))
"""


def scope(session: Session, now: datetime, usage_types: Sequence[str] | None = None, **more: object) -> dict[str, Any]:
    """The parameters of the conditions above; `usage_types` narrows those that have a meter."""
    metered = metered_events(session)
    chosen = [name for name in metered if usage_types is None or name in usage_types]
    return {"usage_types": chosen, "now": now, "oldest": now - OLDEST, **more}
