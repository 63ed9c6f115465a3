"""Bring everything up, make the history once, print the address and the logins, stay until Ctrl-C."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import requests
import structlog
from flask import Flask
from flask_migrate import upgrade

from dashboard.app import create_app
from dashboard.integrations.stripe.catalog_setup import set_up_catalog, set_up_webhook
from dashboard.jobs.staff_totals import refresh_staff_totals
from dashboard.wiring import unit_of_work, wiring
from demo.accounts import card_lines, create_accounts, write_card
from demo.callers import Callers
from demo.check import check_history
from demo.platform import add_webhook_endpoints, start_example_platform, write_platform_config
from demo.sandbox_control import SandboxControl
from demo.seed import DAYS, Seed
from demo.timeline import Timeline
from demo.traffic import CREDIT, open_traffic
from embedded.ports import refuse_taken
from embedded.stack import Stack, StackError
from embedded.web_server import start_web

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local" / "demo"
DATA = Path(os.environ.get("DEMO_DATA", ROOT.parent / "shared" / "data"))
PATIENCE = 20  # seconds for an earlier demo that was told to stop
PORT = int(os.environ.get("PORT", "5000"))
BASE = f"http://127.0.0.1:{PORT}"
STRIPE_PORT = int(os.environ.get("SANDBOX_STRIPE_PORT", "12111"))
TWILIO_PORT = int(os.environ.get("SANDBOX_TWILIO_PORT", "12112"))
PLATFORM_PORT = int(os.environ.get("PLATFORM_PORT", "5001"))
PLATFORM_CONFIG = FOLDER / "platform" / "config.json"
MEDIA = FOLDER / "media"
# Where the mails of the demo go: open one with any mail program.
OUTBOX = ROOT / ".local" / "outbox"
STRIPE_BASE, TWILIO_BASE = f"http://127.0.0.1:{STRIPE_PORT}", f"http://127.0.0.1:{TWILIO_PORT}"


def say(line: str) -> None:
    """Tell the terminal."""
    print(line, flush=True)


def main() -> None:
    """Start, seed if need be, wait."""
    began = time.monotonic()
    card = FOLDER / "card.json"
    try:
        if FOLDER.exists() and not card.exists():
            discard_half_made_history()
        with Stack(FOLDER, patience=PATIENCE) as stack:
            say("PostgreSQL and Valkey answer.")
            run(stack, card, began)
    except (StackError, TimeoutError) as error:
        sys.exit(f"make demo: {error}")
    except KeyboardInterrupt:
        say("\nStopped.")


def discard_half_made_history() -> None:
    """Remove what an interrupted first start left, unless it still runs."""
    say("An earlier start did not finish its history: beginning again.")
    with Stack.locked(FOLDER, PATIENCE):
        for entry in FOLDER.iterdir():
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def run(stack: Stack, card: Path, began: float) -> None:
    """The demo, once its servers answer."""
    for port, variable in (
        (PORT, "PORT"),
        (PLATFORM_PORT, "PLATFORM_PORT"),
        (STRIPE_PORT, "SANDBOX_STRIPE_PORT"),
        (TWILIO_PORT, "SANDBOX_TWILIO_PORT"),
    ):
        refuse_taken(port, variable)
    stack.spawn(
        "sandbox",
        [
            sys.executable,
            "-m",
            "sandbox",
            *("--data", str(FOLDER / "sandbox")),
            *("--stripe-port", str(STRIPE_PORT)),
            *("--twilio-port", str(TWILIO_PORT)),
            *("--clock-file", str(FOLDER / "clock.json")),
        ],
        ready=lambda: answers(f"{STRIPE_BASE}/_sandbox/health"),
    )
    control = SandboxControl(STRIPE_BASE, TWILIO_BASE)
    is_first = not card.exists()
    os.environ.update(environment(stack))
    MEDIA.mkdir(exist_ok=True)
    if is_first:
        control.start_at(midnight_of(control.now() - timedelta(days=DAYS)))
    app = prepare()
    start_countinghouse(stack)
    if is_first:
        make_history(app, stack, control, card)
    else:
        start_example_platform(stack, PLATFORM_CONFIG, PLATFORM_PORT)
        control.advance_to_real_time()
    say(f"\nCountinghouse is at {BASE} ({time.monotonic() - began:.0f} s). Ctrl-C stops all of it.\n")
    for line in card_lines(card):
        say(line)
    stack.wait()


def environment(stack: Stack) -> dict[str, str]:
    """The settings of the demo; secrets are made once and kept in its folder."""
    values = {
        "SECRET_KEY": kept("secret_key", lambda: secrets.token_hex(32)),
        "PUBLIC_URL": BASE,
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_API_BASE": STRIPE_BASE,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": kept("twilio_auth_token", lambda: secrets.token_hex(16)),
        "TWILIO_API_BASE": TWILIO_BASE,
        "CLOCK_FILE": str(FOLDER / "clock.json"),
        "STORAGE_ROOT": str(MEDIA),
        "MAIL_OUTBOX": str(OUTBOX),
        "SPOOL_FOLDER": str(FOLDER / "spool"),
        # The history waits for what was counted before each leap of its clock.
        "SPOOL_INTERVAL": "1" if (FOLDER / "card.json").exists() else "0.03",
        # The platform that hears of things runs on this machine.
        "WEBHOOK_ALLOW_PRIVATE": "true",
    }
    webhook_secret = FOLDER / "webhook_secret"
    if webhook_secret.exists():
        values["STRIPE_WEBHOOK_SECRET"] = webhook_secret.read_text()
    if open_traffic(DATA).is_real:
        values["DATA_CREDIT"] = CREDIT
    return values


def kept(name: str, make: Callable[[], str]) -> str:
    """A secret of the demo, made at its first start."""
    path = FOLDER / name
    return path.read_text() if path.exists() else keep(name, make())


def keep(name: str, secret: str) -> str:
    """Write a secret of the demo down, for its owner alone."""
    path = FOLDER / name
    path.touch(mode=0o600)
    path.write_text(secret)
    return secret


def prepare() -> Flask:
    """Migrate, and bring the catalogue to the sandbox; finds everything again on later starts."""
    app = create_app()
    # The terminal is for people: what the jobs that run here note would bury the logins.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with app.app_context():
        upgrade()
        parts = wiring()
        with unit_of_work() as session:
            set_up_catalog(session, parts.stripe_client, parts.pins)
        known = parts.settings.stripe_webhook_secrets
        secret = set_up_webhook(parts.stripe_client, f"{BASE}/api/billing/webhook", known)
    if secret:
        os.environ["STRIPE_WEBHOOK_SECRET"] = keep("webhook_secret", secret.value)
    return app


def start_countinghouse(stack: Stack) -> None:
    """The web server, the worker and the scheduler, as in production."""
    start_web(stack, PORT, workers=2, threads=3)
    stack.spawn("worker", [sys.executable, "worker.py"])
    stack.spawn("scheduler", [sys.executable, "worker.py", "--scheduler"])


def make_history(app: Flask, stack: Stack, control: SandboxControl, card: Path) -> None:
    """Six months, once."""
    traffic = open_traffic(DATA)
    if traffic.is_real:
        say(f"Making six months of history with real traffic from {DATA.name}/ …")
    else:
        say("DEMO_DATA holds no traffic files: making six months of history with messages of our own …")
    tenants, staff = create_accounts(app, control.now())
    webhook_secrets = add_webhook_endpoints(BASE, f"http://127.0.0.1:{PLATFORM_PORT}", tenants)
    write_platform_config(PLATFORM_CONFIG, BASE, MEDIA, tenants, webhook_secrets)
    platform = start_example_platform(stack, PLATFORM_CONFIG, PLATFORM_PORT)
    with app.app_context():
        callers = {tenant.slug: Callers(wiring().settings, tenant.sms_from) for tenant in tenants}
    Seed(BASE, platform, callers, Timeline(app, control), traffic, tenants, say).run()
    with app.app_context():
        say(check_history(tenants, platform))
        refresh_staff_totals()  # the job comes once a minute of the clock that leapt
    for tenant in tenants:
        if platform.stopped[tenant.slug]:
            say(f"{tenant.name}: {platform.stopped[tenant.slug]} texts were stopped at what Free includes.")
    write_card(card, tenants, staff, CREDIT if traffic.is_real else "")


def midnight_of(moment: datetime) -> datetime:
    """The beginning of its UTC day: the first day of the history is as whole as the others."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def answers(url: str) -> bool:
    """Whether there is an HTTP answer without a server's error."""
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


if __name__ == "__main__":
    main()
