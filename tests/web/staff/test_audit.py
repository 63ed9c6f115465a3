"""What staff did that is about no tenant has a page of its own."""

from __future__ import annotations

import pytest
from flask import Flask

from dashboard.billing.tenants.audit import Actor, ActorKind, record_audit
from dashboard.wiring import now, unit_of_work
from tests.platform import log_in, new_tenant

PAGE = "/staff/audit"


@pytest.fixture
def acts(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        for about, action, subject in ((None, "price.mapped", "price_1"), (tenant_id, "sync.asked", "of one tenant")):
            actor = Actor("ada@staff.example", ActorKind.STAFF)
            record_audit(session, actor=actor, tenant_id=about, action=action, subject=subject, now=now())


@pytest.mark.usefixtures("acts")
def test_it_shows_the_acts_about_no_tenant_filtered_and_as_a_file(app: Flask) -> None:
    staff = log_in(app, staff=True)
    text = staff.get(PAGE).text
    assert "Said what a price means" in text
    assert "of one tenant" not in text
    assert "price_1" in staff.get(f"{PAGE}?actor=ada@staff.example&action=price.mapped").text
    assert "No entry fits." in staff.get(f"{PAGE}?actor=bob@staff.example").text
    assert staff.get(f"{PAGE}?action=nonsense").status_code == 400
    rows = staff.get(f"{PAGE}?format=csv").text.splitlines()
    assert len(rows) == 2
    assert rows[1].split(",")[1:5] == ["ada@staff.example", "staff", "price.mapped", "price_1"]


def test_it_says_what_will_stand_there(app: Flask) -> None:
    assert "Replays of webhooks" in log_in(app, staff=True).get(PAGE).text
