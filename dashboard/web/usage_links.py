"""Addresses of the usage pages: everything that is shown stands in its address, and each link changes a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from flask import request, url_for

from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.moments import write_moment
from dashboard.billing.reports.usage_scope import Scope, Wanted
from dashboard.billing.reports.usage_series import Series, SlotRow

# The names of the parameters in an address, by the field of `Wanted`.
NAMES = {
    "period": "period",
    "start": "from",
    "stop": "to",
    "family": "family",
    "granularity": "granularity",
    "group_by": "group_by",
    "user_id": "user",
    "resource_type": "resource_type",
    "resource_id": "resource",
}


def read_wanted() -> Wanted:
    """What this request's address asks for."""
    return Wanted(**{field: request.args.get(name, "").strip() or None for field, name in NAMES.items()})


@dataclass(frozen=True)
class UsageLinks:
    """Links from one view of a tenant's usage to others. `None` for a parameter leaves it out."""

    tenant_id: int
    scope: Scope

    @property
    def bounds(self) -> dict[str, str | None]:
        """From and to, as an address has them."""
        return _bounds(self.scope.span.start, self.scope.span.stop)

    @property
    def days(self) -> dict[str, str]:
        """From and to as dates, for a form."""
        last = self.scope.span.stop - timedelta(microseconds=1) + timedelta(days=1)
        return {"from": self.scope.span.start.date().isoformat(), "to": last.date().isoformat()}

    @property
    def filters(self) -> dict[str, str]:
        """What the page is narrowed to, as parameters of an address."""
        filters = self.scope.filters
        found = {"user": filters.user_id, "resource_type": filters.resource_type, "resource": filters.resource_id}
        return {name: value for name, value in found.items() if value is not None}

    def page(self, **changes: str | None) -> str:
        """The usage page with these parameters changed."""
        return url_for("tenant.usage", tenant_id=self.tenant_id, **self._parameters(changes))

    def actions(self, **changes: str | None) -> str:
        """The single actions behind it."""
        kept = self._parameters({"granularity": None, "group_by": None, **changes})
        return url_for("tenant.usage_actions", tenant_id=self.tenant_id, **kept)

    def span(self, start: datetime, stop: datetime) -> str:
        """The same of another span."""
        return _with_bounds(self._of_any_span, start, stop)

    def into(self, row: SlotRow) -> str:
        """What lies under a bar: the hours of a day, or the actions of an hour."""
        is_day = self.scope.granularity == "day"
        return _with_bounds(self._of_any_span if is_day else self._actions_of_any_span, row.start, row.stop)

    def of_series(self, series: Series) -> str | None:
        """A colour of the chart alone; None for the others together."""
        if series.usage_type is not None:
            return self.page(family=series.usage_type.name) if len(self.scope.kinds) > 1 else None
        if series.is_other or series.key is None:
            return None
        if self.scope.group_by == "user":
            return self.actions(user=series.key)
        if self.scope.group_by == "resource_type":
            return self.actions(resource_type=series.key)
        return self.actions(resource=series.key, resource_type=series.resource_type)

    def of_type(self, kind: UsageType) -> str:
        """The page of one type."""
        address = self._of_any_type
        return f"{address}{'&' if '?' in address else '?'}family={kind.name}"

    def hours(self, now: datetime) -> str:
        """The page by hours: of its last week where it is longer."""
        start, stop = self.scope.span.start, self.scope.span.stop
        if stop - start <= timedelta(days=8):
            return self.page(granularity="hour")
        end = _midnight(min(now, stop - timedelta(microseconds=1))) + timedelta(days=1)
        return self.page(
            period=None, granularity="hour", **_bounds(max(start, end - timedelta(days=7)), min(end, stop))
        )

    # A page has a link for each bar and type: what they have in common is put together once.
    @cached_property
    def _of_any_type(self) -> str:
        return self.page(family=None, group_by=None)

    @cached_property
    def _of_any_span(self) -> str:
        return self.page(**{"period": None, "granularity": None, "from": None, "to": None})

    @cached_property
    def _actions_of_any_span(self) -> str:
        return self.actions(**{"period": None, "from": None, "to": None})

    def _parameters(self, changes: Mapping[str, str | None]) -> dict[str, Any]:
        scope = self.scope
        own: dict[str, str | None] = {
            "family": scope.key if scope.key != "texts" else None,
            "granularity": request.args.get("granularity"),
            "group_by": scope.group_by if scope.group_by != "type" else None,
            **self.filters,
        }
        if scope.span.period is not None:
            own["period"] = None if scope.span.period.is_current else scope.span.period.key
        else:
            own |= _bounds(scope.span.start, scope.span.stop)
        if changes.get("from") is not None or changes.get("period") is not None:
            own |= {"period": None, "from": None, "to": None}
        return {name: value for name, value in {**own, **changes}.items() if value}


def _bounds(start: datetime, stop: datetime) -> dict[str, str | None]:
    return {"from": write_moment(start), "to": write_moment(stop)}


def _with_bounds(address: str, start: datetime, stop: datetime) -> str:
    bounds = f"from={_quoted(start)}&to={_quoted(stop)}"
    return f"{address}{'&' if '?' in address else '?'}{bounds}"


def _quoted(moment: datetime) -> str:
    # All there is to be escaped in a moment. Each bar has two, and quoting in general costs ten times as much.
    return write_moment(moment).replace(":", "%3A")


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
