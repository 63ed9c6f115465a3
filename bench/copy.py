"""The yardstick: PostgreSQL's own COPY into a table of the ledger's columns, checks and indexes, on the same server."""

from __future__ import annotations

import time
from datetime import datetime
from statistics import median
from typing import Any

import msgspec

from bench.services import Services
from bench.traffic import Traffic

ROWS = 100_000
ROUNDS = 3
_COLUMNS = (
    "tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata, source, idempotency_key, "
    "fingerprint, occurred_at, recorded_at"
)


def copy_rate(services: Services) -> float:
    """Rows a second, one connection, rows prepared beforehand, durable."""
    rates = []
    traffic = Traffic()
    with services.connect() as connection:
        connection.execute("CREATE TABLE bench_copy (LIKE billing_usage INCLUDING ALL)")
        connection.commit()
        for _ in range(ROUNDS):
            rows = "".join(_row(services.tenants[n % 20][0], traffic.event()) for n in range(ROWS)).encode()
            began = time.perf_counter()
            with connection.cursor().copy(f"COPY bench_copy ({_COLUMNS}) FROM STDIN") as copy:
                copy.write(rows)
            connection.commit()
            rates.append(ROWS / (time.perf_counter() - began))
        connection.execute("DROP TABLE bench_copy")
        connection.commit()
    return median(rates)


def _row(tenant_id: int, event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["occurred_at"]).isoformat()
    metadata = msgspec.json.encode(event["metadata"]).decode()
    fields = (
        str(tenant_id),
        event["usage_type"],
        str(event["quantity"]),
        event["user_id"],
        event["resource_type"],
        event["resource_id"],
        metadata,
        "bench",
        event["idempotency_key"],
        "\\\\x" + event["idempotency_key"].replace("-", "") * 2,
        at,
        at,
    )
    return "\t".join(fields) + "\n"
