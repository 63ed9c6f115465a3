"""What the documentation shows works: its calls, its commands, its code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.ledger.usage_input import OUR_PREFIXES
from dashboard.billing.outgoing_webhooks.webhook_signature import derive_secret, show_secret, sign
from dashboard.billing.tenants.api_keys import ALL_SCOPES
from dashboard.models import Tenant
from dashboard.wiring import now, unit_of_work
from tests.platform import new_tenant

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("client/*.md"), *ROOT.glob("examples/**/*.md")]


def blocks(page: Path, language: str = "") -> Iterator[str]:
    """The page's code blocks of one language, or of none."""
    return (
        found[1] for found in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )


def calls(page: str) -> list[str]:
    """The curl commands of a page of docs/."""
    return [block for block in blocks(ROOT / "docs" / page) if block.startswith("curl ")]


def do(client: FlaskClient, call: str, key: str) -> int:
    """Do what a curl command says; the status of the answer."""
    words = iter(shlex.split(call.replace("$BASE", "").replace("$KEY", key).replace("\\\n", "")))
    assert next(words) == "curl"
    method, headers, body, path = "GET", {}, None, ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word not in {"-O", "-J"}:
            path = word
    return client.open(path, method=method, headers=headers, data=body).status_code


@pytest.mark.parametrize("page", ["api.md", "webhooks.md"])
def test_every_call_that_is_shown_succeeds(client: FlaskClient, page: str) -> None:
    tenant_id, key = new_tenant()
    with unit_of_work() as session:  # old enough to have a period before this one
        session.get_one(Tenant, tenant_id).created_at -= timedelta(days=70)
    answers = {call: do(client, call, key) for call in calls(page)}
    assert answers
    assert {call: status for call, status in answers.items() if status not in {200, 201}} == {}


def test_every_command_that_is_named_exists(app: Flask) -> None:
    named = {pair for page in PAGES for pair in re.findall(r"flask ([a-z]+) ([a-z]+(?:-[a-z]+)*)", page.read_text())}
    known = {(group, name) for group, found in app.cli.commands.items() for name in getattr(found, "commands", {})}
    assert ("usage", "verify") in named
    assert named - known == set()


def test_every_link_leads_to_a_file() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]
    assert links
    assert [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_every_module_that_a_walk_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:web|jobs|cli|integrations|billing)/[a-z_/]+)`", page)
    assert "billing/ledger/usage" in named
    there = ROOT / "dashboard"
    assert [name for name in named if not ((there / name).is_dir() or (there / f"{name}.py").is_file())] == []


def test_every_folder_of_the_domain_is_described() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    domain = ROOT / "dashboard" / "billing"
    assert [each.parent.name for each in domain.glob("*/__init__.py") if f"`{each.parent.name}`" not in page] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(page.name for page in folder.glob("[0-9]*.md"))


def test_the_code_that_checks_a_signature_believes_ours_and_no_other(app: Flask) -> None:
    names: dict[str, object] = {}
    exec(next(blocks(ROOT / "docs" / "webhooks.md", "python")), names)  # noqa: S102
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    secret = derive_secret(b"a signing key", b"salt")
    headers = sign(secret, "msg_1", int(now().timestamp()), "{}")
    assert is_genuine(show_secret(secret), headers, b"{}")
    assert not is_genuine(show_secret(secret), headers, b"{} ")
    assert not is_genuine(show_secret(secret), {**headers, "webhook-timestamp": "1"}, b"{}")


def test_every_scope_and_every_key_of_our_own_is_named() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    assert [name for name in (*ALL_SCOPES, *OUR_PREFIXES) if f"`{name}`" not in page] == []
