"""Every number opens into what is behind it, and adds up exactly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.plans.plans import catalog
from dashboard.billing.reports.attribution import attribute_usage
from dashboard.billing.reports.ranges import Range, find_range
from dashboard.billing.reports.usage_details import UsageDetail, list_details
from dashboard.billing.reports.usage_summaries import chart_usage, summarise_usage
from dashboard.models import Tenant
from tests.factories import NOON, make_period, make_tenant, record

SENT, STORAGE = USAGE_TYPES["SMS_SENT"], USAGE_TYPES["STORAGE_USED_MB"]
NOTHING = UsageFilters()
EDGE = NOON - timedelta(hours=30, minutes=17)
GROUPINGS = ("user", "resource_type", "resource", "metadata.campaign")

names = st.sampled_from([None, "ada", "bob", "=cmd", "Zoë"])
events = st.lists(
    st.fixed_dictionaries(
        {
            "quantity": st.integers(0, 1_000),
            "minutes": st.integers(0, 60 * 60),
            "user_id": names,
            "resource_type": names,
            "resource_id": names,
            "campaign": st.sampled_from([None, "spring", "autumn"]),
            "reversed": st.booleans(),
        }
    ),
    max_size=12,
)


def whole(session: Session, tenant: Tenant, start: datetime, stop: datetime) -> Range:
    return find_range(session, tenant, period=None, start=start.isoformat(), stop=stop.isoformat(), now=NOON)


def all_pages(
    session: Session, tenant: Tenant, span: Range, filters: UsageFilters, limit: int
) -> Iterator[UsageDetail]:
    after = None
    while True:
        page, after = list_details(session, tenant.id, span, SENT.name, filters=filters, after=after, limit=limit)
        yield from page
        if after is None:
            return


def furnish(session: Session, given_events: list[dict[str, object]]) -> Tenant:
    tenant = make_tenant(session)
    make_period(session, tenant, EDGE, EDGE + timedelta(days=30))
    for each in given_events:
        minutes, campaign, is_reversed = each.pop("minutes"), each.pop("campaign"), each.pop("reversed")
        assert isinstance(minutes, int)
        moment = (NOON - timedelta(minutes=minutes)).isoformat()
        metadata = {"campaign": campaign} if campaign else {}
        made = record(session, tenant, occurred_at=moment, metadata=metadata, **each)
        if is_reversed:
            quantity = -int(str(each["quantity"]))
            record(session, tenant, **{**each, "quantity": quantity, "corrects_id": made.id}, metadata=metadata)
    return tenant


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events, first=st.integers(0, 60 * 60), length=st.integers(1, 60 * 60), limit=st.integers(1, 4))
def test_groups_series_and_actions_add_up_to_the_total(
    session: Session, events: list[dict[str, object]], first: int, length: int, limit: int
) -> None:
    tenant = furnish(session, events)
    stop = NOON - timedelta(minutes=first) + timedelta(seconds=1)
    span = whole(session, tenant, stop - timedelta(minutes=length), stop)
    summary = next(each for each in summarise_usage(session, tenant.id, span).types if each.usage_type is SENT)
    total = summary.total.quantity, summary.total.events
    for granularity in ("hour", "day"):
        series = chart_usage(session, tenant.id, span, SENT, granularity=granularity, filters=NOTHING, now=NOON)
        assert (series.total.quantity, series.total.events) == total
        assert (sum(slot.quantity for slot in series.slots), sum(slot.events for slot in series.slots)) == total
        assert all(one.stop == next_.start for one, next_ in zip(series.slots, series.slots[1:], strict=False))
    for grouping in GROUPINGS:
        found = attribute_usage(session, tenant.id, span, SENT, group_by=grouping, limit=limit, filters=NOTHING)
        assert found.other is not None
        assert (found.total.quantity, found.total.events) == total
        assert sum(group.quantity for group in found.groups) + found.other.quantity == total[0]
        assert sum(group.events for group in found.groups) + found.other.events == total[1]
        for group in found.groups:
            if grouping == "user" and group.key is not None:
                mine = list(all_pages(session, tenant, span, UsageFilters(user_id=group.key), limit))
                assert (sum(each.quantity for each in mine), len(mine)) == (group.quantity, group.events)
    actions = list(all_pages(session, tenant, span, NOTHING, limit))
    assert (sum(each.quantity for each in actions), len({each.id for each in actions})) == total
    assert actions == sorted(actions, key=lambda each: (each.occurred_at, each.id), reverse=True)


def test_filters_narrow_series_groups_and_actions_alike(session: Session) -> None:
    tenant = make_tenant(session)
    for user, campaign, quantity in (("ada", "spring", 1), ("ada", "autumn", 2), ("bob", "spring", 4)):
        record(session, tenant, quantity=quantity, user_id=user, metadata={"campaign": campaign, "n": 7})
    span = find_range(session, tenant, period=None, start=None, stop=None, now=NOON)
    for filters, total in (
        (UsageFilters(user_id="ada"), 3),
        (UsageFilters(metadata={"campaign": "spring"}), 5),
        (UsageFilters(user_id="ada", metadata={"campaign": "spring", "n": "7"}), 1),
        (UsageFilters(user_id="' OR 1=1 --"), 0),
    ):
        series = chart_usage(session, tenant.id, span, SENT, granularity="day", filters=filters, now=NOON)
        groups = attribute_usage(session, tenant.id, span, SENT, group_by="user", limit=10, filters=filters)
        actions = list(all_pages(session, tenant, span, filters, 1))
        assert (series.total.quantity, groups.total.quantity) == (total, total)
        assert sum(each.quantity for each in actions) == total


def test_another_tenants_usage_is_in_no_report(session: Session) -> None:
    mine, theirs = make_tenant(session), make_tenant(session)
    record(session, theirs, quantity=9, user_id="eve")
    span = find_range(session, mine, period=None, start=None, stop=None, now=NOON)
    groups = attribute_usage(session, mine.id, span, SENT, group_by="user", limit=10, filters=NOTHING)
    assert groups.groups == ()
    assert list(all_pages(session, mine, span, NOTHING, 10)) == []
    assert all(each.total.events == 0 for each in summarise_usage(session, mine.id, span).types)


def test_a_level_is_its_latest_reading_and_its_series_holds_it(session: Session) -> None:
    tenant = make_tenant(session)
    for day, user, reading in ((3, "ada", 40), (5, "bob", 60), (5, "ada", 30)):
        record(
            session,
            tenant,
            usage_type=STORAGE.name,
            user_id=user,
            quantity=reading,
            occurred_at=f"2026-06-{day:02d}T{reading // 3:02d}:00:00Z",
        )
    span = find_range(session, tenant, period=None, start=None, stop=None, now=NOON)
    series = chart_usage(session, tenant.id, span, STORAGE, granularity="day", filters=NOTHING, now=NOON)
    assert [slot.quantity for slot in series.slots[:7]] == [0, 0, 40, 40, 60, 60, 60]
    assert (series.total.quantity, series.total.events, len(series.slots)) == (60, 3, 15)
    groups = attribute_usage(session, tenant.id, span, STORAGE, group_by="user", limit=10, filters=NOTHING)
    assert [(group.key, group.quantity) for group in groups.groups] == [("bob", 60), ("ada", 30)]
    assert (groups.total.quantity, groups.other) == (60, None)


@pytest.mark.parametrize("group_by", ["colour", "metadata.", "", "u.user_id"])
def test_usage_is_grouped_by_what_it_has_only(session: Session, group_by: str) -> None:
    tenant = make_tenant(session)
    span = find_range(session, tenant, period=None, start=None, stop=None, now=NOON)
    with pytest.raises(InvalidInput) as refused:
        attribute_usage(session, tenant.id, span, SENT, group_by=group_by, limit=10, filters=NOTHING)
    assert refused.value.field == "group_by"


def test_a_summary_of_a_period_knows_what_is_included(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, quantity=3)
    span = find_range(session, tenant, period="current", start=None, stop=None, now=NOON)
    summary = summarise_usage(session, tenant.id, span)
    assert len(summary.types) == 16
    assert {each.usage_type.name for each in summary.types if each.allowance} == set(catalog().meters)
    whole_day = whole(session, tenant, NOON - timedelta(days=1), NOON + timedelta(hours=1))
    assert all(each.allowance is None for each in summarise_usage(session, tenant.id, whole_day).types)
