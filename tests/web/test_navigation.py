"""Where one is: on every page one link at the side is the current one, and the breadcrumb leads back."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.platform import log_in
from tests.web.walking import make_world, rules

# Behind the bell at the top, not at the side.
ELSEWHERE = {"tenant.notices"}


@pytest.mark.parametrize("blueprint", ["tenant", "staff"])
def test_every_page_has_its_place(app: Flask, blueprint: str) -> None:
    world = make_world(name="Acme")
    reader = log_in(app, world.tenant_id) if blueprint == "tenant" else log_in(app, staff=True)
    lost = {}
    for rule in rules(app, "GET"):
        if rule.endpoint.partition(".")[0] == blueprint and rule.endpoint not in ELSEWHERE:
            answer = reader.get(world.address(rule))
            side = re.search(r'<nav class="nav" aria-label="Main">(.*?)</nav>', answer.text, re.DOTALL)
            if answer.status_code == 200 and side and side[1].count('aria-current="page"') != 1:
                lost[rule.endpoint] = side[1].count('aria-current="page"')
    assert lost == {}, "name these pages at their link in templates/layouts/app.html"


def test_staffs_links_stand_under_headings_and_lead_home(app: Flask) -> None:
    page = log_in(app, staff=True).get("/staff/queues").text
    side = re.search(r'<nav class="nav" aria-label="Main">(.*?)</nav>', page, re.DOTALL)
    assert side
    assert re.findall("<h2>(.*?)</h2>", side[1]) == ["Staff", "Tenants", "Stripe", "Checks"]
    assert '<li class="hide-sm"><a href="/staff">Staff</a></li>' in page
