"""A running platform: web server and worker as processes of their own, the sandbox, and Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from dashboard.app import create_app
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import set_up_webhook
from dashboard.wiring import wiring
from embedded.ports import free_port
from embedded.stack import Stack
from embedded.web_server import answers, web_command, web_environment
from tests.conftest import settings_for
from tests.factories import PASSWORD
from tests.platform import IsolatedClient, set_up_stripe
from tests.sandbox_server import SandboxServer
from tests.served import environment_of

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@dataclass
class Platform:
    """Where it runs, and its application for a look into the database."""

    base: str
    app: Flask
    sandbox: SandboxServer


@contextmanager
def running(stack: Stack, sandbox: SandboxServer, database_url: str, outbox: Path) -> Iterator[Platform]:
    """The platform on an empty database, its catalogue set up and its webhooks registered."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = create_app(settings_for(stack, sandbox, database_url, public_url=base, mail_outbox=outbox))
    app.test_client_class = IsolatedClient
    with app.app_context():
        wiring().redis.flushall()
        set_up_stripe()
        secret = set_up_webhook(wiring().stripe_client, f"{base}/api/billing/webhook")
        assert secret is not None
        environment = web_environment({**environment_of(wiring().settings), "STRIPE_WEBHOOK_SECRET": secret.value})
        command = web_command(port, workers=1, threads=4)
        web = stack.spawn(f"web-{port}", command, env=environment, ready=lambda: answers(f"{base}/login"))
        worker = stack.spawn(f"worker-{port}", [sys.executable, "worker.py"], env=environment)
        yield Platform(base, app, sandbox)
        worker.stop()
        web.stop()
        db.session.remove()
        db.engine.dispose()
        wiring().redis.close()


@pytest.fixture
def platform(stack: Stack, sandbox: SandboxServer, database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform of the test's own, for one that moves the clock or ends what it finds."""
    with running(stack, sandbox, database_url, tmp_path) as platform:
        yield platform


@pytest.fixture(scope="module")
def shared_platform(
    stack: Stack, sandbox_server: SandboxServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """One platform for all tests of a file, which leave to each other what they need."""
    sandbox_server.reset()
    folder = tmp_path_factory.mktemp("browser")
    url = stack.create_database(folder.name, template=template)
    with running(stack, sandbox_server, url, folder) as platform:
        yield platform
    stack.drop_database(folder.name)
    assert sandbox_server.breaches() == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of this machine (`BROWSER_PATH`), or the one on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser,
    platform: Platform,
    email: str | None = None,
    *,
    theme: Literal["light", "dark"] = "light",
    width: int = 1280,
    scripts: bool = True,
) -> Iterator[Page]:
    """A window that shares nothing with others; with an email, its person has logged in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        java_script_enabled=scripts,
        base_url=platform.base,
        accept_downloads=True,
    )
    page = context.new_page()
    if email is not None:
        page.goto("/login")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    yield page
    context.close()


def note_policy(problems: list[str], message: ConsoleMessage) -> None:
    """A breach of the Content-Security-Policy is told on the console."""
    if "Policy" in message.text:
        problems.append(message.text)


def breaches_of(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is, and whether it scrolls sideways."""
    if page.evaluate("window.axe === undefined"):
        page.evaluate(AXE.read_text())
    result = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    found = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in result]
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return found + ([f"{page.url} scrolls sideways: {wide} in {room}"] if wide > room else [])
