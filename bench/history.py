"""A ledger with millions of rows: how fast it is written to, and how fast the heaviest tenant's summary comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.figures import Figure
from bench.load import get, send
from bench.services import Services
from bench.traffic import CAMPAIGNS, TYPES, USERS, Traffic
from bench.usage import ROUNDS, batches

DAYS = 180
HEAVIEST = 0.4  # share of all rows that the first tenant has
CHUNK = 500_000
SMALL = 1_000_000
KINDS = ("ordered", "random")

# Rows as the services would have sent them, made by PostgreSQL itself: keys in order of time, as the client makes them.
_FILL = """
    INSERT INTO billing_usage (tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata, source,
                               idempotency_key, fingerprint, occurred_at, recorded_at)
    SELECT CASE WHEN random() < %(heaviest)s THEN %(first)s
                ELSE (%(tenants)s::bigint[])[1 + floor(random() * %(count)s)::int] END,
           (%(types)s::text[])[1 + floor(random() * %(kinds)s)::int], 1 + floor(random() * 9)::int,
           'user-' || floor(random() * %(users)s)::int, 'conversation', 'c-' || to_hex(floor(random() * 1e12)::bigint),
           jsonb_build_object('campaign', (%(campaigns)s::text[])[1 + floor(random() * 4)::int],
                              'tokens', floor(random() * 2000)::int),
           'bench', uuidv7(at - now())::text, decode(md5(n::text) || md5((n + 1)::text), 'hex'), at, at
      FROM (SELECT n, %(start)s::timestamptz + (%(stop)s::timestamptz - %(start)s::timestamptz)
                      * ((%(done)s + n)::float8 / %(rows)s) AS at
              FROM generate_series(1, %(chunk)s) AS n) AS moments
"""

_ROLL_UP = """
    INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)
    SELECT tenant_id, usage_type, date_trunc('hour', occurred_at, 'UTC'), sum(quantity), count(*), max(occurred_at),
           max(recorded_at)
      FROM billing_usage WHERE source = 'bench' GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING
"""

_ROLL_UP_DAYS = """
    INSERT INTO usage_days (tenant_id, usage_type, day_start, quantity, events, last_at, recorded_at)
    SELECT tenant_id, usage_type, date_trunc('day', bucket_start, 'UTC'), sum(quantity), sum(events), max(last_at),
           max(recorded_at)
      FROM usage_rollups GROUP BY 1, 2, 3
"""


def fill(services: Services, rows: int, *, done: int = 0) -> None:
    """Grow the ledger from `done` to `rows` rows of history that ended two days ago."""
    ids = [tenant_id for tenant_id, _ in services.tenants]
    stop = datetime.now(UTC) - timedelta(days=2)
    with services.connect() as connection:
        while done < rows:
            chunk = min(CHUNK, rows - done)
            connection.execute(
                _FILL,
                {
                    "heaviest": HEAVIEST,
                    "first": ids[0],
                    "tenants": ids,
                    "count": len(ids),
                    "types": TYPES,
                    "kinds": len(TYPES),
                    "users": USERS,
                    "campaigns": list(CAMPAIGNS),
                    "start": stop - timedelta(days=DAYS),
                    "stop": stop,
                    "rows": rows,
                    "done": done,
                    "chunk": chunk,
                },
            )
            connection.commit()
            done += chunk
        connection.execute("DELETE FROM usage_rollups")
        connection.execute("DELETE FROM usage_days")
        connection.execute(_ROLL_UP)
        connection.execute(_ROLL_UP_DAYS)
        connection.commit()
        connection.autocommit = True
        for table in ("billing_usage", "usage_rollups", "usage_days"):
            connection.execute(f"VACUUM (ANALYZE) {table}")


def need(services: Services, rows: int) -> None:
    """Grow the ledger to `rows` rows where it is not so large yet."""
    with services.connect() as connection:
        found = connection.execute("SELECT count(*) FROM billing_usage").fetchone()
    if found is not None and found[0] < rows:
        fill(services, rows, done=found[0])


def measure_growth(services: Services, rows: int, *, extra: str = "") -> Iterator[Figure]:
    """The rate of writing to a ledger of `rows` rows against one of a million, in batches of 1,000; the same service.

    Keys in order of time, as the client makes them; and random ones, which touch a page of the index each.
    """
    fill(services, SMALL)
    before = {kind: _write_rate(services, kind, Traffic(seed=SMALL)) for kind in KINDS}
    fill(services, rows, done=SMALL)
    # Another seed: the random keys of before are in the ledger.
    after = {kind: _write_rate(services, kind, Traffic(seed=rows)) for kind in KINDS}
    name = f"usage.growth_{rows // 1_000_000}m{extra}"
    for kind in KINDS:
        more = {"rate_at_1m": round(before[kind]), "rate": round(after[kind])}
        reach = 0.7 if kind == "ordered" else None
        suffix = "" if kind == "ordered" else "_random_keys"
        yield Figure(name + suffix, after[kind] / before[kind], "ratio", reach, more=dict(more))


def measure_summary(services: Services, rows: int) -> Iterator[Figure]:
    """The usage summary of the current period for the tenant with most of the rows: one caller, whole HTTP answer."""
    need(services, rows)
    key = services.tenants[0][1]
    request = get(services.base, "/api/billing/usage", {"Authorization": f"Bearer {key}"})
    send(services.base, [request] * 50, 2)
    load = send(services.base, [request] * 300, 1)
    yield Figure(
        f"usage.summary_{rows // 1_000_000}m",
        load.percentile(0.5) * 1_000,
        "ms p50",
        15,
        is_limit=True,
        more={"p99_ms": round(load.percentile(0.99) * 1_000, 2)},
    )


def _write_rate(services: Services, kind: str, traffic: Traffic) -> float:
    make_key = traffic.ordered_key if kind == "ordered" else traffic.random_key
    rates = []
    for _ in range(ROUNDS):
        prepared = batches(services, traffic, size=1_000, count=100, make_key=make_key)
        load = send(services.base, prepared, 4)
        rates.append(1_000 * 100 / load.seconds)
    return median(rates)
