"""What the ledger says of texts and calls: by their SIDs, and for a whole day."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from dashboard.billing.ports.telephony import RecordKind, TelephonyRecord
from dashboard.billing.telephony_check.comparison import Recorded
from dashboard.models import PhoneNumber

TYPES = ["SMS_SENT", "SMS_RECEIVED", "CALL_DURATION_SECONDS"]
# What we date on a day Twilio may date on one beside it: a text leaves later than it was asked for, and a call is
# ours when it ends and Twilio's when it begins.
SLACK = timedelta(days=1)
PAGE = 1_000

_NET = """
    SELECT u.tenant_id, u.usage_type, u.resource_id AS sid, u.occurred_at,
           u.quantity + coalesce(c.quantity, 0) AS quantity
      FROM billing_usage u
      LEFT JOIN billing_usage c ON c.tenant_id = u.tenant_id AND c.corrects_id = u.id
"""

_BY_KEYS = text(
    f"""
    WITH wanted AS (SELECT * FROM unnest(CAST(:tenant_ids AS bigint[]), CAST(:keys AS text[])) AS w (tenant_id, key))
    {_NET} JOIN wanted w ON u.tenant_id = w.tenant_id AND u.idempotency_key = w.key
    """
)

_OF_DAY = text(
    f"""
    {_NET}
     WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:types) AND u.occurred_at >= :start AND u.occurred_at < :stop
       AND u.corrects_id IS NULL AND u.source = 'twilio'
    """
)

_TENANTS = text(
    """
    SELECT t.id FROM tenants t
     WHERE EXISTS (SELECT FROM usage_rollups r
                    WHERE r.tenant_id = t.id AND r.usage_type = ANY(:types)
                      AND r.bucket_start >= :start AND r.bucket_start < :stop)
     ORDER BY t.id
    """
)


def owners_of(session: Session, records: Collection[TelephonyRecord]) -> dict[str, int]:
    """The tenants that have the records' numbers now, by number."""
    numbers = {record.our_number for record in records}
    rows = session.execute(select(PhoneNumber.number, PhoneNumber.tenant_id).where(PhoneNumber.number.in_(numbers)))
    return dict(iter(rows))


def find_recorded(
    session: Session, records: Collection[TelephonyRecord], owners: dict[str, int]
) -> dict[str, Recorded]:
    """What the ledgers of the numbers' owners say of these records, by SID."""
    owned = [(owners[record.our_number], record) for record in records if record.our_number in owners]
    scope = {"tenant_ids": [owner for owner, _ in owned], "keys": [_key_of(record) for _, record in owned]}
    return {row["sid"]: _recorded(row) for row in session.execute(_BY_KEYS, scope).mappings()}


def list_tenants_around(session: Session, day: date) -> list[int]:
    """The tenants that texted or called on this day (UTC) or beside it."""
    start, stop = _bounds(day)
    scope = {"types": TYPES, "start": start - SLACK, "stop": stop + SLACK}
    return list(session.scalars(_TENANTS, scope))


def read_recorded(session: Session, tenant_id: int, day: date, *, around: bool) -> Iterator[Recorded]:
    """All that a tenant's ledger dates on this day (UTC), or also on those beside it, read as it is asked for."""
    start, stop = _bounds(day)
    slack = SLACK if around else timedelta(0)
    scope = {"tenant_id": tenant_id, "types": TYPES, "start": start - slack, "stop": stop + slack}
    rows = session.execute(_OF_DAY, scope, execution_options={"yield_per": PAGE})
    return (_recorded(row) for row in rows.mappings())


def _bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def _key_of(record: TelephonyRecord) -> str:
    return f"sms:{record.sid}" if record.kind == "text" else f"call:{record.sid}:seconds"


def _recorded(row: RowMapping) -> Recorded:
    kind: RecordKind = "call" if row["usage_type"] == "CALL_DURATION_SECONDS" else "text"
    return Recorded(row["tenant_id"], row["occurred_at"].astimezone(UTC).date(), kind, row["sid"], row["quantity"])
