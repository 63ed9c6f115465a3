"""The audit trail: written with the act, listed newest first, never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.tenants.audit import Actor, ActorKind, AuditFilter, changed, list_audit, record_audit
from tests.factories import NOON, make_tenant

ANN = Actor("ann@acme.example")


def write(session: Session, tenant_id: int | None, **more: Any) -> None:
    given: dict[str, Any] = {"actor": ANN, "action": "api_key.created", "subject": "checkout", "now": NOON}
    record_audit(session, tenant_id=tenant_id, **{**given, **more})


def subjects(session: Session, tenant_id: int | None, wanted: AuditFilter | None = None) -> list[str]:
    return [entry.subject for entry in list_audit(session, tenant_id, wanted)[0]]


def test_an_act_is_listed_for_its_tenant_alone(session: Session) -> None:
    mine, theirs = make_tenant(session), make_tenant(session)
    write(session, mine.id, details={"scopes": ["usage:write"]})
    (entry,), following = list_audit(session, mine.id)
    assert (entry.actor, entry.actor_kind, entry.action) == ("ann@acme.example", "member", "api_key.created")
    assert (entry.subject, entry.details, entry.acted_at) == ("checkout", {"scopes": ["usage:write"]}, NOON)
    assert following is None
    assert subjects(session, theirs.id) == []


def test_an_act_about_the_installation_belongs_to_no_tenant(session: Session) -> None:
    tenant = make_tenant(session)
    write(session, None, actor=Actor("sam@staff.example", ActorKind.STAFF), action="price.mapped", subject="price_1")
    assert subjects(session, None) == ["price_1"]
    assert subjects(session, tenant.id) == []


def test_pages_are_read_newest_first_without_a_gap(session: Session) -> None:
    tenant = make_tenant(session)
    for n in range(5):
        write(session, tenant.id, subject=str(n))
    seen: list[str] = []
    before: int | None = None
    while True:
        page, before = list_audit(session, tenant.id, before=before, limit=2)
        seen += [entry.subject for entry in page]
        if before is None:
            break
    assert seen == ["4", "3", "2", "1", "0"]


def test_entries_are_found_by_action_person_and_time(session: Session) -> None:
    tenant = make_tenant(session)
    write(session, tenant.id, subject="first")
    write(session, tenant.id, subject="second", action="api_key.revoked", now=NOON + timedelta(hours=1))
    write(session, tenant.id, subject="third", actor=Actor("bo@acme.example"), now=NOON + timedelta(hours=2))
    assert subjects(session, tenant.id, AuditFilter(action="api_key.revoked")) == ["second"]
    assert subjects(session, tenant.id, AuditFilter(actor="bo@acme.example")) == ["third"]
    span = AuditFilter(acted_from=NOON, acted_before=NOON + timedelta(hours=2))
    assert subjects(session, tenant.id, span) == ["second", "first"]


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'nobody'", "DELETE FROM audit_entries"])
def test_the_database_itself_refuses_a_change(session: Session, statement: str) -> None:
    write(session, make_tenant(session).id)
    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.execute(text(statement))


def test_an_unknown_action_is_a_mistake_of_ours(session: Session) -> None:
    with pytest.raises(KeyError):
        write(session, make_tenant(session).id, action="made.up")


def test_a_filter_names_what_it_allows() -> None:
    with pytest.raises(InvalidInput, match=r"must be one of tenant\.changed"):
        AuditFilter.read(action="nonsense")
    with pytest.raises(InvalidInput, match="NUL"):
        AuditFilter.read(actor="a\x00b")
    assert AuditFilter.read(action="", actor="") == AuditFilter()


def test_only_what_differs_is_kept() -> None:
    assert changed({"name": "Old", "zone": "UTC"}, {"name": "New", "zone": "UTC"}) == {"name": ["Old", "New"]}
