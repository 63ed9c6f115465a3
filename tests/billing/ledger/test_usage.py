"""The ledger's promises: nothing lost, nothing twice, nothing changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from sqlalchemy import TextClause, delete, func, select, text, update
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.ledger.usage import Recorded, record_each, record_usages
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.ledger.usage_statement import ONE_TENANT, SEVERAL_TENANTS
from dashboard.models import Tenant, UsageDay, UsageEvent, UsageRollup
from tests.factories import NOON, make_period, make_tenant, record, usage_body


def rollup(session: Session, tenant: Tenant) -> dict[tuple[str, str], int]:
    rows = session.execute(
        select(UsageRollup.usage_type, UsageRollup.bucket_start, UsageRollup.quantity).where(
            UsageRollup.tenant_id == tenant.id
        )
    )
    return {(usage_type, start.strftime("%d %H:%M:%S")): quantity for usage_type, start, quantity in rows}


def test_an_event_is_in_the_ledger_and_in_its_hour(session: Session) -> None:
    tenant = make_tenant(session)
    recorded = record(
        session,
        tenant,
        quantity=3,
        user_id="ada",
        resource_type="message",
        resource_id="SM1",
        metadata={"campaign": "spring"},
        occurred_at="2026-06-15T11:59:59+00:00",
    )
    event = session.get_one(UsageEvent, (tenant.id, recorded.id))
    assert (event.user_id, event.resource_type, event.resource_id) == ("ada", "message", "SM1")
    assert event.details == {"campaign": "spring"}
    assert event.recorded_at == NOON
    assert rollup(session, tenant) == {("SMS_SENT", "15 11:00:00"): 3}


def test_a_repeated_key_counts_once(session: Session) -> None:
    tenant = make_tenant(session)
    first = record(session, tenant, idempotency_key="a", quantity=2)
    again = record(session, tenant, idempotency_key="a", quantity=2, now=NOON + timedelta(hours=3))
    assert (first.is_new, again.is_new) == (True, False)
    assert again.id == first.id
    assert rollup(session, tenant) == {("SMS_SENT", "15 12:00:00"): 2}


def test_a_key_repeated_inside_one_batch_counts_once(session: Session) -> None:
    tenant = make_tenant(session)
    body = usage_body(idempotency_key="a", quantity=2)
    events = [parse_usage(body, NOON), parse_usage(body, NOON), parse_usage(usage_body(quantity=5), NOON)]
    recorded = record_usages(session, tenant.id, events, source="test", now=NOON)
    assert [row.is_new for row in recorded] == [True, False, True]
    assert rollup(session, tenant) == {("SMS_SENT", "15 12:00:00"): 7}


@pytest.mark.parametrize("change", [{"quantity": 9}, {"user_id": "eve"}, {"metadata": {"a": 1}}])
def test_a_key_with_another_body_is_refused(session: Session, change: dict[str, object]) -> None:
    tenant = make_tenant(session)
    record(session, tenant, idempotency_key="a")
    with pytest.raises(IdempotencyConflict, match="'a'"):
        record(session, tenant, idempotency_key="a", **change)
    assert session.scalar(select(func.count()).where(UsageEvent.tenant_id == tenant.id)) == 1


def test_two_tenants_may_use_the_same_key(session: Session) -> None:
    one, other = make_tenant(session), make_tenant(session)
    assert record(session, one, idempotency_key="a").is_new
    assert record(session, other, idempotency_key="a").is_new


def test_the_latest_reading_of_a_level_counts_whatever_the_order(session: Session) -> None:
    tenant = make_tenant(session)
    level = {"usage_type": "STORAGE_USED_MB"}
    record(session, tenant, quantity=700, occurred_at="2026-06-15T11:40:00+00:00", **level)
    record(session, tenant, quantity=900, occurred_at="2026-06-15T11:20:00+00:00", **level)
    record(session, tenant, quantity=0, occurred_at="2026-06-15T10:20:00+00:00", **level)
    assert rollup(session, tenant) == {
        ("STORAGE_USED_MB", "15 11:00:00"): 700,
        ("STORAGE_USED_MB", "15 10:00:00"): 0,
    }
    assert verify_rollups(session) == []


def test_a_correction_names_its_row_and_falls_into_its_hour(session: Session) -> None:
    tenant = make_tenant(session)
    wrong = record(session, tenant, quantity=5, occurred_at="2026-06-14T08:30:00+00:00")
    record(session, tenant, quantity=-2, corrects_id=wrong.id)
    assert rollup(session, tenant) == {("SMS_SENT", "14 08:00:00"): 3}
    assert verify_rollups(session) == []


def test_a_correction_of_another_tenants_event_is_refused(session: Session) -> None:
    theirs = record(session, make_tenant(session), quantity=5)
    with pytest.raises(InvalidInput) as refusal:
        record(session, make_tenant(session), quantity=-2, corrects_id=theirs.id)
    assert refusal.value.field == "corrects_id"


def test_an_event_is_corrected_once(session: Session) -> None:
    tenant = make_tenant(session)
    wrong = record(session, tenant, quantity=5)
    body = usage_body(quantity=-2, corrects_id=wrong.id)
    first, again = record(session, tenant, **body), record(session, tenant, **body)
    assert (first.id, again.is_new) == (again.id, False)
    with pytest.raises(AlreadyCorrected):
        record(session, tenant, quantity=-1, corrects_id=wrong.id)
    assert rollup(session, tenant) == {("SMS_SENT", "15 12:00:00"): 3}


@pytest.mark.parametrize("quantity", [-6, -100])
def test_a_correction_takes_back_no_more_than_there_was(session: Session, quantity: int) -> None:
    tenant = make_tenant(session)
    wrong = record(session, tenant, quantity=5)
    with pytest.raises(InvalidInput) as refusal:
        record(session, tenant, quantity=quantity, corrects_id=wrong.id)
    assert refusal.value.field == "quantity"
    assert "-5 or more" in refusal.value.message


def test_a_correction_cannot_be_corrected(session: Session) -> None:
    tenant = make_tenant(session)
    wrong = record(session, tenant, quantity=5)
    correction = record(session, tenant, quantity=-5, corrects_id=wrong.id)
    with pytest.raises(InvalidInput) as refusal:
        record(session, tenant, quantity=0, corrects_id=correction.id)
    assert "is a correction itself" in refusal.value.message


@pytest.mark.parametrize("keys", [("a", "b"), ("b", "a")])
def test_of_two_corrections_of_one_event_in_a_batch_the_first_counts(session: Session, keys: tuple[str, str]) -> None:
    tenant = make_tenant(session)
    wrong = record(session, tenant, quantity=5)
    bodies = [usage_body(quantity=-2, corrects_id=wrong.id, idempotency_key=key) for key in keys]
    outcomes = record_each(session, tenant.id, [parse_usage(body, NOON) for body in bodies], source="test", now=NOON)
    assert isinstance(outcomes[0], Recorded)
    assert isinstance(outcomes[1], AlreadyCorrected)
    assert rollup(session, tenant) == {("SMS_SENT", "15 12:00:00"): 3}


def test_each_event_for_itself_leaves_out_the_refused_ones_only(session: Session) -> None:
    tenant = make_tenant(session)
    known = usage_body(quantity=1)
    record(session, tenant, **known)
    bodies = [
        usage_body(quantity=10),
        known,
        {**known, "quantity": 2},
        usage_body(quantity=-1, corrects_id=2**60),
        usage_body(quantity=100),
    ]
    events = [parse_usage(body, NOON) for body in bodies]
    outcomes = record_each(session, tenant.id, events, source="test", now=NOON)
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Recorded",
        "Recorded",
        "IdempotencyConflict",
        "InvalidInput",
        "Recorded",
    ]
    assert [outcome.is_new for outcome in outcomes if isinstance(outcome, Recorded)] == [True, False, True]
    assert rollup(session, tenant) == {("SMS_SENT", "15 12:00:00"): 111}
    assert verify_rollups(session) == []


def test_of_two_readings_at_one_moment_the_larger_counts_in_either_order(session: Session) -> None:
    one, other = make_tenant(session), make_tenant(session)
    level = {"usage_type": "STORAGE_USED_MB", "occurred_at": "2026-06-15T11:40:00+00:00"}
    for tenant, readings in ((one, (5, 8)), (other, (8, 5))):
        for reading in readings:
            record(session, tenant, quantity=reading, **level)
        assert rollup(session, tenant) == {("STORAGE_USED_MB", "15 11:00:00"): 8}
    assert verify_rollups(session) == []


def test_an_hour_is_cut_where_a_billing_period_begins(session: Session) -> None:
    tenant = make_tenant(session)
    begin = NOON.replace(hour=9, minute=14, second=24)
    make_period(session, tenant, starts_at=begin)
    for moment in ("09:14:23", "09:14:24", "09:59:59", "10:00:00"):
        record(session, tenant, occurred_at=f"2026-06-15T{moment}+00:00")
    assert rollup(session, tenant) == {
        ("SMS_SENT", "15 09:00:00"): 1,
        ("SMS_SENT", "15 09:14:24"): 2,
        ("SMS_SENT", "15 10:00:00"): 1,
    }
    assert verify_rollups(session) == []


def test_a_period_learnt_late_cuts_the_hour_again(session: Session) -> None:
    tenant = make_tenant(session)
    for moment in ("09:10:00", "09:20:00"):
        record(session, tenant, occurred_at=f"2026-06-15T{moment}+00:00")
    make_period(session, tenant, starts_at=NOON.replace(hour=9, minute=15))
    assert rollup(session, tenant) == {("SMS_SENT", "15 09:00:00"): 1, ("SMS_SENT", "15 09:15:00"): 1}
    assert verify_rollups(session) == []


def test_a_level_read_before_the_readings_that_a_new_boundary_moved_away_counts(session: Session) -> None:
    tenant = make_tenant(session)
    level = {"usage_type": "STORAGE_USED_MB"}
    record(session, tenant, quantity=70, occurred_at="2026-06-15T09:20:00+00:00", **level)
    make_period(session, tenant, starts_at=NOON.replace(hour=9, minute=15))
    record(session, tenant, quantity=50, occurred_at="2026-06-15T09:05:00+00:00", **level)
    assert rollup(session, tenant) == {("STORAGE_USED_MB", "15 09:00:00"): 50, ("STORAGE_USED_MB", "15 09:15:00"): 70}
    assert verify_rollups(session) == []


def test_verify_finds_a_rollup_that_was_tampered_with(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, quantity=4)
    session.execute(update(UsageRollup).where(UsageRollup.tenant_id == tenant.id).values(quantity=5))
    (difference,) = [each for each in verify_rollups(session) if each.tenant_id == tenant.id]
    assert (difference.slot, difference.ledger, difference.rollup) == ("hour", 4, 5)


def test_verify_finds_a_day_that_was_tampered_with(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, quantity=4)
    session.execute(update(UsageDay).where(UsageDay.tenant_id == tenant.id).values(quantity=5))
    (difference,) = [each for each in verify_rollups(session) if each.tenant_id == tenant.id]
    assert (difference.slot, difference.ledger, difference.rollup) == ("day", 4, 5)


@pytest.mark.parametrize(
    "statement",
    [
        update(UsageEvent).values(quantity=0),
        update(UsageEvent).values(corrects_id=None),
        delete(UsageEvent),
        text("TRUNCATE billing_usage"),
    ],
    ids=["update", "update of the granted column", "delete", "truncate"],
)
def test_the_database_refuses_to_change_the_ledger(session: Session, statement: object) -> None:
    record(session, make_tenant(session))
    with pytest.raises(DBAPIError) as refusal:
        session.execute(statement)  # type: ignore[call-overload]
    assert refusal.value.orig is not None
    assert refusal.value.orig.sqlstate in {"42501", "23000"}  # type: ignore[attr-defined]


def test_a_tenant_with_usage_cannot_be_deleted(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant)
    with pytest.raises(IntegrityError) as refusal:
        session.execute(delete(Tenant).where(Tenant.id == tenant.id))
    assert refusal.value.orig is not None
    assert refusal.value.orig.sqlstate == "23001"  # type: ignore[attr-defined]


def test_usage_of_no_tenant_is_refused(session: Session) -> None:
    with pytest.raises(NotFound):
        record_usages(session, 2**62, [parse_usage(usage_body(), NOON)], source="test", now=NOON)


@pytest.mark.parametrize("statement", [ONE_TENANT, SEVERAL_TENANTS])
def test_the_driver_keeps_what_it_made_of_the_statement(statement: TextClause) -> None:
    """It would be taken apart and put together again for every batch, a third of a millisecond each."""
    assert len(str(statement.compile(dialect=PGDialect_psycopg()))) <= MAX_CACHED_STATEMENT_LENGTH
