"""A page of the audit trail, of a tenant or of the installation: filtered, paged, and as CSV."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.tenants.audit import ACTIONS, AuditFilter, list_audit
from dashboard.models import AuditEntry
from dashboard.web.csv_export import csv_response
from dashboard.wiring import read_while_answering, session

COLUMNS = ("time", "actor", "actor_kind", "action", "subject", "details")
ROWS_A_READ = 500


def show_audit(tenant_id: int | None, template: str, link: Callable[..., str]) -> ResponseReturnValue:
    """Entries by `?action=`, `?actor=`, `?from=` and `?to=` (UTC days, both included), below the id `?before=`.

    `?format=csv` is all of them as a file. `tenant_id` None: those of the installation. `link` answers the page's own
    address with other parameters. Stops with 400.
    """
    given = {name: request.args.get(name, "").strip() for name in ("action", "actor", "from", "to")}
    try:
        wanted = AuditFilter.read(
            given["action"],
            given["actor"],
            _day(given["from"], "from"),
            _day_after(given["to"]),
        )
    except InvalidInput as error:
        abort(400, f"{error}.")
    if request.args.get("format") == "csv":
        return _as_csv(tenant_id, wanted)
    before = request.args.get("before", type=int)
    entries, following = list_audit(session(), tenant_id, wanted, before=max(before, 0) if before is not None else None)
    return render_template(
        template,
        entries=entries,
        next_before=following,
        actions=ACTIONS,
        given=given,
        is_filtered=any(given.values()),
        link=link,
    )


def _as_csv(tenant_id: int | None, wanted: AuditFilter) -> ResponseReturnValue:
    def read(reading: Session, before: int | None) -> tuple[list[AuditEntry], int | None]:
        return list_audit(reading, tenant_id, wanted, before=before, limit=ROWS_A_READ)

    rows = (
        (each.acted_at, each.actor, each.actor_kind, each.action, each.subject, each.details)
        for each in read_while_answering(read)
    )
    return csv_response("audit", COLUMNS, rows)


def _day(value: str, field: str) -> datetime | None:
    if not value:
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise InvalidInput(field, "must be a day such as 2026-06-30") from None
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


def _day_after(value: str) -> datetime | None:
    found = _day(value, "to")
    try:
        return found + timedelta(days=1) if found else None
    except OverflowError:
        return None
