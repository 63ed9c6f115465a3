"""Batches into the ledger, and how far an import has come."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.usage_import.recording import record_batch
from dashboard.billing.usage_import.runs import ImportTaken, advance_import, begin_import, finish_import
from dashboard.billing.usage_import.source import Source, open_source
from dashboard.models import UsageEvent, UsageImport
from tests.billing.usage_import.rows import json_batch
from tests.factories import NOON, make_tenant, record, usage_body


def source(content: bytes = b"x") -> Source:
    with open_source("x.jsonl", io.BytesIO(content)) as opened:
        return opened


def test_one_refused_event_takes_no_other_of_its_batch_with_it(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, idempotency_key="k3", quantity=9)
    good = [usage_body(idempotency_key=f"k{n}") for n in range(8)]
    wrong = usage_body(quantity=-1, corrects_id=2**40)
    batch = json_batch(*good, wrong, good[0])
    outcome = record_batch(session, tenant.id, batch, now=NOON)
    assert (outcome.new, outcome.duplicates) == (7, 1)
    assert [(refusal.line, refusal.field) for refusal in outcome.refusals] == [
        (4, "idempotency_key"),
        (9, "corrects_id"),
    ]
    stored = session.scalar(select(func.count()).where(UsageEvent.tenant_id == tenant.id))
    assert stored == 8


def test_a_file_has_one_unfinished_import_and_a_new_one_once_it_is_complete(session: Session) -> None:
    tenant, file = make_tenant(session), source()
    first = begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON)
    assert begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON).id == first.id
    assert begin_import(session, tenant.id, source(b"y"), "jsonl", started_by="ada", now=NOON).id != first.id
    finish_import(session, first, NOON)
    assert begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON).id != first.id


def test_an_import_begun_anew_abandons_the_unfinished_one(session: Session) -> None:
    tenant, file = make_tenant(session), source()
    first = begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON)
    second = begin_import(session, tenant.id, file, "jsonl", started_by="ada", anew=True, now=NOON)
    assert second.id != first.id
    assert session.get_one(UsageImport, (tenant.id, first.id)).state == "abandoned"
    with pytest.raises(ImportTaken):
        finish_import(session, first, NOON)


def test_two_processes_cannot_move_the_same_import_on(session: Session) -> None:
    tenant = make_tenant(session)
    run = begin_import(session, tenant.id, source(), "jsonl", started_by="ada", now=NOON)
    batch = json_batch(usage_body(), "broken")
    outcome = record_batch(session, tenant.id, batch, now=NOON)
    moved = advance_import(session, run, batch, outcome)
    assert (moved.line, moved.new, moved.refused) == (2, 1, 1)
    with pytest.raises(ImportTaken):
        advance_import(session, run, batch, outcome)


def test_an_import_for_no_tenant_is_refused(session: Session) -> None:
    with pytest.raises(NotFound):
        begin_import(session, 2**40, source(), "jsonl", started_by="ada", now=NOON)
