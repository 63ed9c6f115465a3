"""`API_REQUEST`: calls of a tenant's services, added up by key, route and minute before they enter the ledger."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from dashboard.billing.fields import MAX_TEXT
from dashboard.billing.ledger.usage import record_usages
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One authenticated call: when (whole Unix seconds), with which key, to which route ("POST /api/…")."""

    second: int
    tenant_id: int
    key_id: int
    key_name: str
    route: str

    def as_line(self) -> bytes:
        """As it is kept until it is recorded."""
        values = [self.second, self.tenant_id, self.key_id, self.key_name, self.route]
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def from_line(cls, line: bytes) -> ApiRequest:
        """What `as_line` wrote."""
        return cls(*json.loads(line))


def count_lines(lines: Iterable[bytes]) -> dict[int, Counter[ApiRequest]]:
    """How often each request was made, by tenant. Calls of one second to one route are the same line."""
    by_tenant: dict[int, Counter[ApiRequest]] = defaultdict(Counter)
    for line, times in Counter(lines).items():
        request = ApiRequest.from_line(line)
        by_tenant[request.tenant_id][request] += times
    return dict(by_tenant)


def record_api_requests(
    session: Session, tenant_id: int, requests: Mapping[ApiRequest, int], segment_id: str, now: datetime
) -> int:
    """Record one tenant's requests of one segment, an event for each key, route and minute; answers how many events.

    The events follow from the segment alone, so a segment that is recorded again changes nothing.
    """
    groups: dict[tuple[int, str, int], Counter[ApiRequest]] = defaultdict(Counter)
    for request, times in requests.items():
        groups[request.key_id, request.route, request.second // 60][request] += times
    events = [_event(group, segment_id) for _, group in sorted(groups.items())]
    recorded = record_usages(session, tenant_id, events, source="api requests", now=now)
    return sum(each.is_new for each in recorded)


def _event(group: Counter[ApiRequest], segment_id: str) -> UsageInput:
    last = max(group, key=lambda request: (request.second, request.key_name))
    minute = last.second // 60
    route = sha256(last.route.encode()).hexdigest()[:16]
    # A moment in which a call was really made: the minute's beginning may lie before a billing period's.
    moment = datetime.fromtimestamp(last.second, UTC)
    return parse_usage(
        {
            "usage_type": "API_REQUEST",
            "quantity": group.total(),
            "idempotency_key": f"api:{segment_id}:{last.key_id}:{minute}:{route}",
            "occurred_at": moment,
            "user_id": f"API key {last.key_id}",
            "resource_type": "endpoint",
            "resource_id": last.route[:MAX_TEXT],
            "metadata": {"api_key": last.key_name},
        },
        # These are our own times: a clock that was set back since must not refuse them.
        moment,
    )
