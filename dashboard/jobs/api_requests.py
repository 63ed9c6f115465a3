"""Bring spooled API requests into the ledger, whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from dashboard.billing.ledger.api_requests import ApiRequest, count_lines, record_api_requests
from dashboard.integrations.spool import delete_abandoned_drafts, list_files, taken
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()


def record_spooled_requests() -> int:
    """Record every spool file whose writer gave it up or is gone; answers how many requests that were.

    A file is deleted after the commit; killed between the two, it is recorded again, which changes nothing. One that
    cannot be recorded stays for the next time and keeps no other from it.
    """
    recorded, folder = 0, wiring().settings.api_request_spool
    delete_abandoned_drafts(folder)
    for path in list_files(folder):
        try:
            recorded += _record_file(path)
        except Exception:
            log.exception("api requests could not be recorded", file=path.name)
    return recorded


def _record_file(path: Path) -> int:
    with taken(path) as segment:
        if segment is None:
            return 0
        for tenant_id, requests in count_lines(segment.lines).items():
            _record(tenant_id, requests, segment.id)
        return len(segment.lines)


def _record(tenant_id: int, requests: Mapping[ApiRequest, int], segment_id: str) -> None:
    with unit_of_work() as session:
        record_api_requests(session, tenant_id, requests, segment_id, wiring().clock.now())


def record_request_now(request: ApiRequest, request_id: str) -> None:
    """Record one request by itself: the way out when the spool cannot be written. `request_id` is unique."""
    _record(request.tenant_id, {request: 1}, request_id)
