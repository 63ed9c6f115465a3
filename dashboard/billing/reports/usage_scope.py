"""What a page of usage is about: a span of time and the one before it, types of one unit, a step, a split, filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.ledger.usage_filters import UsageFilters, make_filters
from dashboard.billing.ledger.usage_types import FAMILIES, USAGE_TYPES, Family, UsageType, family_of
from dashboard.billing.moments import parse_moment
from dashboard.billing.periods.periods import Period, choose_period, list_periods
from dashboard.billing.reports.ranges import Range, range_among, range_of_period
from dashboard.models import Tenant

DAY = timedelta(days=1)
STEPS = {"hour": timedelta(hours=1), "day": DAY}
# As many bars as a screen shows apart.
LONGEST = {"hour": timedelta(days=8), "day": timedelta(days=400)}
GROUPINGS = {"type": "type", "user": "user", "resource_type": "kind of resource", "resource": "resource"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for, as texts; None and "" ask for nothing. `family` may be one type's name.

    `period` is "current", "previous" or when one begins, and goes before `start` and `stop`.
    """

    period: str | None = None
    start: str | None = None
    stop: str | None = None
    family: str | None = None
    granularity: str | None = None
    group_by: str | None = None
    user_id: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The same, checked. `before` is the period before, or as long a span before; None where the tenant is younger."""

    periods: list[Period]
    span: Range
    before: Range | None
    family: Family
    kinds: tuple[UsageType, ...]
    granularity: str
    group_by: str
    filters: UsageFilters

    @property
    def step(self) -> timedelta:
        """How long a slot of the chart is."""
        return STEPS[self.granularity]

    @property
    def is_level(self) -> bool:
        """Whether readings are shown, which do not add up."""
        return self.kinds[0].is_level

    @property
    def names(self) -> list[str]:
        """The usage types in it."""
        return [kind.name for kind in self.kinds]

    @property
    def label(self) -> str:
        """What is counted, in words: one type or the family."""
        return self.kinds[0].label if len(self.kinds) == 1 else self.family.label

    @property
    def units_label(self) -> str:
        """The unit of the figures."""
        return self.kinds[0].units_label if len(self.kinds) == 1 else self.family.unit_label

    @property
    def key(self) -> str:
        """The type or family as an address names it."""
        return self.family.key if len(self.kinds) == len(self.family.types) else self.kinds[0].name


def find_scope(session: Session, tenant: Tenant, wanted: Wanted, now: datetime) -> Scope:
    """What is asked for; by default the current period's texts by day and type. One query.

    A level is never split: its readings do not add up.

    Raises `NotFound` for a period or family that there is not, `InvalidInput` with the field for the rest.
    """
    periods = list_periods(session, tenant, now)
    span, before = _spans(session, tenant, periods, wanted, now)
    family, kinds = _kinds(wanted.family or "texts")
    group_by = wanted.group_by or "type"
    if group_by not in GROUPINGS:
        raise InvalidInput("group_by", f"must be one of {', '.join(GROUPINGS)}")
    return Scope(
        periods=periods,
        span=span,
        before=before,
        family=family,
        kinds=kinds,
        granularity=_granularity(wanted.granularity, span),
        group_by="type" if kinds[0].is_level else group_by,
        filters=make_filters(
            user_id=wanted.user_id or None,
            resource_type=wanted.resource_type or None,
            resource_id=wanted.resource_id or None,
            metadata={},
        ),
    )


def _spans(
    session: Session, tenant: Tenant, periods: Sequence[Period], wanted: Wanted, now: datetime
) -> tuple[Range, Range | None]:
    if wanted.period or not (wanted.start or wanted.stop):
        period = choose_period(periods, wanted.period or "current")
        if period is None:
            raise NotFound(f"no period {wanted.period}")
        earlier = next((each for each in periods if each.ends_at <= period.starts_at), None)
        before = range_of_period(session, tenant, earlier, now) if earlier else None
        return range_of_period(session, tenant, period, now), before
    if not wanted.start:
        raise InvalidInput("from", "is needed beside to")
    start = parse_moment(wanted.start, "from")
    stop = parse_moment(wanted.stop, "to") if wanted.stop else now
    if stop <= start:
        raise InvalidInput("to", "must lie after from")
    if stop - start > LONGEST["day"]:
        raise InvalidInput("to", f"must lie at most {LONGEST['day'].days} days after from")
    span = range_among(periods, start, stop, now)
    is_known = bool(periods) and start > periods[-1].starts_at
    return span, range_among(periods, start - (stop - start), start, now) if is_known else None


def _kinds(key: str) -> tuple[Family, tuple[UsageType, ...]]:
    if key in USAGE_TYPES:
        return family_of(key), (USAGE_TYPES[key],)
    if key not in FAMILIES:
        raise NotFound(f"no usage family {key}")
    return FAMILIES[key], tuple(USAGE_TYPES[name] for name in FAMILIES[key].types)


def _granularity(wanted: str | None, span: Range) -> str:
    length = span.stop - span.start
    if not wanted:
        return "hour" if length <= 2 * DAY else "day"
    if wanted not in STEPS:
        raise InvalidInput("granularity", f"must be one of {', '.join(STEPS)}")
    if length > LONGEST[wanted]:
        raise InvalidInput(
            "granularity", f"must be day: hours are shown of at most {LONGEST['hour'].days} days at a time"
        )
    return wanted
