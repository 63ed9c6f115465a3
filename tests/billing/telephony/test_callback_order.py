"""Whatever order a text's or call's callbacks come in, and however often: the ledger ends in the same totals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.ports.providers import CallFacts, TextFacts
from dashboard.billing.telephony.call_requests import parse_call_request
from dashboard.billing.telephony.calls import CallTold, accept_call, note_call, receive_call, store_call
from dashboard.billing.telephony.text_requests import parse_text_request
from dashboard.billing.telephony.texts import TextTold, accept_text, note_delivery, store_text
from dashboard.models import Call, Tenant, TextMessage, UsageEvent, UsageRollup
from tests.factories import NOON, make_tenant

SENDER, TO = "+15005550777", "+15551230000"
TEXT_SID, CALL_SID = "SM" + "a" * 32, "CA" + "b" * 32
LATER = NOON + timedelta(minutes=3)
BUSY_DATABASE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text_ends = st.sampled_from(["delivered", "undelivered", "failed"])
call_ends = st.sampled_from(["completed", "busy", "no-answer", "failed", "canceled"])


@contextmanager
def undone(session: Session) -> Iterator[Tenant]:
    """A tenant of this example alone."""
    with session.begin_nested() as step:
        yield make_tenant(session, sms_from=SENDER)
        step.rollback()


@st.composite
def told(draw: st.DrawFn, ends: st.SearchStrategy[str], on_the_way: list[str]) -> tuple[str, list[str]]:
    """An end, and the callbacks on the way to it in any order: some lost, some repeated, the end not lost.

    "answer" is the answer to our own request, wherever it falls among them.
    """
    end = draw(ends)
    lost_or_repeated = draw(st.lists(st.sampled_from([*on_the_way, end, "answer"]), max_size=8))
    return end, draw(st.permutations([*lost_or_repeated, end]))


def totals(session: Session, tenant: Tenant) -> dict[str, int]:
    """By the ledger, which the rollups must agree with."""
    sums = []
    for table in (UsageEvent, UsageRollup):
        rows = session.execute(
            select(table.usage_type, func.sum(table.quantity))
            .where(table.tenant_id == tenant.id)
            .group_by(table.usage_type)
        )
        sums.append({usage_type: int(total) for usage_type, total in rows})
    assert sums[0] == sums[1]
    return sums[0]


@BUSY_DATABASE
@given(told(text_ends, ["queued", "sending", "sent"]))
def test_a_text_ends_in_the_same_totals(session: Session, story: tuple[str, list[str]]) -> None:
    end, statuses = story
    with undone(session) as tenant:
        request = parse_text_request(session, {"to": TO, "body": "я" * 100}, tenant, NOON)
        message, _ = store_text(session, tenant.id, request, "one", NOON)
        for status in statuses:
            if status == "answer":
                accept_text(session, tenant.id, message.id, TextFacts(TEXT_SID, "queued", 2), LATER)
            elif not note_delivery(session, tenant.id, message.id, TextTold(TEXT_SID, status, TO, SENDER), LATER):
                accept_text(session, tenant.id, message.id, TextFacts(TEXT_SID, end, 2), LATER)
        assert totals(session, tenant) == {"SMS_SENT": 0 if end == "failed" else 2}
        assert session.get_one(TextMessage, (tenant.id, message.id)).delivery_status == end


@BUSY_DATABASE
@given(told(call_ends, ["initiated", "ringing", "in-progress"]))
def test_a_call_that_we_make_ends_in_the_same_totals(session: Session, story: tuple[str, list[str]]) -> None:
    end, statuses = story
    with undone(session) as tenant:
        request = parse_call_request(session, {"to": TO, "message": "Hello"}, tenant, NOON)
        call, _ = store_call(session, tenant.id, request, "one", NOON)
        for status in statuses:
            if status == "answer":
                accept_call(session, tenant.id, call.id, CallFacts(CALL_SID, "queued", None, None), LATER)
            else:
                note_call(session, tenant.id, call.id, _call(status), LATER)
        counted = {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 61} if end == "completed" else {}
        assert totals(session, tenant) == counted
        assert session.get_one(Call, (tenant.id, call.id)).status == end


@BUSY_DATABASE
@given(told(call_ends, ["ringing", "in-progress"]))
def test_a_call_that_comes_in_ends_in_the_same_totals(session: Session, story: tuple[str, list[str]]) -> None:
    end, statuses = story
    with undone(session) as tenant:
        for status in statuses:
            if status != "answer":
                receive_call(session, tenant.id, _call(status), LATER)
        counted = {"CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 61} if end == "completed" else {}
        assert totals(session, tenant) == counted


def _call(status: str) -> CallTold:
    return CallTold(CALL_SID, status, TO, SENDER, 61 if status == "completed" else None, LATER)
