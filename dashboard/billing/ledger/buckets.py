"""The bucket of a moment, in SQL: its hour, or the last boundary of a billing period inside that hour before it.

Shared by what adds to the rollups and by what rebuilds them, so that both always mean the same bucket.
"""

from __future__ import annotations

from dashboard.billing.ledger.usage_types import LEVELS

_NAMES = ", ".join(f"'{name}'" for name in LEVELS)
LEVEL = f"usage_type IN ({_NAMES})"

# Of two readings of a level at the same moment the larger counts: whoever commits first, the answer is the same.
LATEST = "(array_agg(quantity ORDER BY occurred_at DESC, quantity DESC))[1]"

HOUR = "date_bin('1 hour', {moment}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
DAY = "date_bin('1 day', {moment}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"

# Common table expressions over `recorded` (tenant_id, occurred_at, …): boundaries are looked up once for each hour that
# occurs, not for each row, which is what keeps a batch of 1,000 quick.
BUCKETED = f"""
    hours AS (
        SELECT DISTINCT tenant_id, {HOUR.format(moment="occurred_at")} AS hour FROM recorded
    ), edges AS MATERIALIZED (
        SELECT h.tenant_id, h.hour, array_agg(p.edge) AS inside FROM hours h CROSS JOIN LATERAL (
            SELECT starts_at AS edge FROM billing_periods
             WHERE tenant_id = h.tenant_id AND starts_at > h.hour AND starts_at < h.hour + interval '1 hour'
            UNION
            SELECT ends_at FROM billing_periods
             WHERE tenant_id = h.tenant_id AND ends_at > h.hour AND ends_at < h.hour + interval '1 hour') p
         GROUP BY h.tenant_id, h.hour
    ), bucketed AS (
        SELECT r.*, CASE WHEN e.inside IS NULL THEN {HOUR.format(moment="r.occurred_at")}
                    ELSE COALESCE((SELECT max(edge) FROM unnest(e.inside) edge WHERE edge <= r.occurred_at), e.hour)
                    END AS bucket_start
          FROM recorded r LEFT JOIN edges e
            ON e.tenant_id = r.tenant_id AND e.hour = {HOUR.format(moment="r.occurred_at")}
    )"""
