"""The one statement that writes usage: ledger rows, their rollups, and the end of their reservations."""

from __future__ import annotations

from sqlalchemy import TextClause, text

from dashboard.billing.ledger.buckets import BUCKETED, DAY, LATEST, LEVEL

_COLUMNS = """
    usage_type text, quantity bigint, user_id text, resource_type text, resource_id text, metadata jsonb,
    idempotency_key text, fingerprint text, occurred_at timestamptz, corrects_id bigint"""

# DO UPDATE keeps to columns and EXCLUDED: functions there would not run on a distributed table.
_ADD = f"""
        INSERT INTO {{table}} AS held (tenant_id, usage_type, {{slot}}, quantity, events, last_at, recorded_at) {{rows}}
        ON CONFLICT (tenant_id, usage_type, {{slot}}) DO UPDATE SET
            quantity = CASE WHEN NOT EXCLUDED.{LEVEL} THEN held.quantity + EXCLUDED.quantity
                            WHEN (EXCLUDED.last_at, EXCLUDED.quantity) > (held.last_at, held.quantity)
                            THEN EXCLUDED.quantity ELSE held.quantity END,
            events = held.events + EXCLUDED.events,
            last_at = CASE WHEN EXCLUDED.last_at > held.last_at THEN EXCLUDED.last_at ELSE held.last_at END,
            recorded_at = EXCLUDED.recorded_at"""
_ADD_HOURS = _ADD.format(
    table="usage_rollups",
    slot="bucket_start",
    rows="""
        SELECT tenant_id, usage_type, bucket_start, quantity, events, last_at, :now
          FROM hours_of_batch ORDER BY tenant_id, usage_type, bucket_start""",
)
# Added up from the batch's hours: there are fewer of them than rows.
_ADD_DAYS = _ADD.format(
    table="usage_days",
    slot="day_start",
    rows=f"""
        SELECT tenant_id, usage_type, {DAY.format(moment="bucket_start")} AS day_start,
               CASE WHEN {LEVEL} THEN (array_agg(quantity ORDER BY last_at DESC))[1] ELSE sum(quantity) END,
               sum(events), max(last_at), :now
          FROM hours_of_batch GROUP BY tenant_id, usage_type, day_start ORDER BY tenant_id, usage_type, day_start""",
)

# Sorted by key, so that two batches with the same keys in another order wait for each other instead of deadlocking;
# rollups are sorted for the same reason. ON CONFLICT names no index: a second correction of one event is skipped like
# a repeated key.
_STATEMENT = f"""
    WITH input AS MATERIALIZED ({{input}}), recorded AS (
        INSERT INTO billing_usage (tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata,
                                   source, idempotency_key, fingerprint, occurred_at, recorded_at, corrects_id)
        SELECT tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata, :source,
               idempotency_key, decode(fingerprint, 'base64'), COALESCE(occurred_at, :now), :now, corrects_id
          FROM input ORDER BY tenant_id, idempotency_key
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, id, usage_type, quantity, idempotency_key, occurred_at
    ), {BUCKETED}, hours_of_batch AS MATERIALIZED (
        SELECT tenant_id, usage_type, bucket_start, CASE WHEN {LEVEL} THEN {LATEST} ELSE sum(quantity) END AS quantity,
               count(*) AS events, max(occurred_at) AS last_at
          FROM bucketed GROUP BY tenant_id, usage_type, bucket_start
    ), hours_added AS ({_ADD_HOURS}
    ), days_added AS ({_ADD_DAYS}
    ), settled AS (
        DELETE FROM usage_reservations r USING recorded n
         WHERE r.tenant_id = n.tenant_id AND r.key = n.idempotency_key
    )
    SELECT tenant_id, id, idempotency_key FROM recorded
"""


def _statement(given: str) -> TextClause:
    # On one line: the driver keeps what it made of a statement only up to 4,096 characters.
    return text(" ".join(_STATEMENT.format(input=given).split()))


# Parameters: tenant_id, events (JSON list), source, now.
ONE_TENANT = _statement(
    f"SELECT CAST(:tenant_id AS bigint) AS tenant_id, e.* "
    f"FROM json_to_recordset(CAST(:events AS json)) AS e ({_COLUMNS})"
)
# Parameters: groups (JSON list of {tenant_id, events}), source, now.
SEVERAL_TENANTS = _statement(
    "SELECT g.tenant_id, e.* FROM json_to_recordset(CAST(:groups AS json)) AS g (tenant_id bigint, events json), "
    f"LATERAL json_to_recordset(g.events) AS e ({_COLUMNS})"
)
