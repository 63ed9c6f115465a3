"""A running platform: web server and worker as processes of their own, the sandbox, and Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright

from dashboard.app import create_app
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import set_up_webhook
from dashboard.wiring import wiring
from embedded.ports import free_port
from embedded.stack import Stack
from embedded.web_server import answers, web_command, web_environment
from tests.conftest import settings_for
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


@pytest.fixture
def platform(stack: Stack, sandbox: SandboxServer, database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """The platform on an empty database, its catalogue set up and its webhooks registered."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = create_app(settings_for(stack, sandbox, database_url, public_url=base))
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of this machine (`BROWSER_PATH`), or the one on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def breaches_of(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is, and whether it scrolls sideways."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("async () => (await axe.run()).violations")
    found = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in result]
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return found + ([f"{page.url} scrolls sideways: {wide} in {room}"] if wide > room else [])
