"""Bring spooled API requests into the ledger, whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import structlog

from dashboard.billing.api_requests import ApiRequest, record_api_requests, tenants_of_requests
from dashboard.integrations.spool import Segment, list_files, taken
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()


def record_spooled_requests() -> int:
    """Record every spool file whose writer gave it up or is gone; answers how many requests that were.

    A file is deleted after the commit; killed between the two, it is recorded again, which changes nothing. One that
    cannot be recorded stays for the next time and keeps no other from it.
    """
    recorded = 0
    for path in list_files(wiring().settings.api_request_spool):
        try:
            recorded += _record_file(path)
        except Exception:
            log.exception("api requests could not be recorded", file=path.name)
    return recorded


def _record_file(path: Path) -> int:
    with taken(path) as segment:
        if segment is None:
            return 0
        requests = [ApiRequest.from_line(line) for line in segment.lines]
        for tenant_id, theirs in tenants_of_requests(requests).items():
            _record(tenant_id, theirs, segment)
        return len(requests)


def _record(tenant_id: int, requests: list[ApiRequest], segment: Segment) -> None:
    with unit_of_work() as session:
        record_api_requests(session, tenant_id, requests, segment.id, wiring().clock.now())


def record_request_now(request: ApiRequest, request_id: str) -> None:
    """Record one request by itself: the way out when the spool cannot be written. `request_id` is unique."""
    _record(request.tenant_id, [request], Segment(request_id, []))
