"""The services that are measured: a durable PostgreSQL, Valkey and the web server, in a folder of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
from flask import Flask
from flask_migrate import upgrade

from dashboard.app import create_app
from dashboard.billing.periods.period_learning import learn_period
from dashboard.billing.periods.periods import month_start, next_month
from dashboard.billing.tenants import accounts, api_keys
from dashboard.wiring import unit_of_work
from embedded.ports import free_port
from embedded.stack import ROOT, Stack
from embedded.web_server import start_web

WORKERS = 2
WEBHOOK_SECRET = "whsec_bench"  # noqa: S105 (of a server that lives for minutes on loopback)
THREADS = 16
# What an operator gives a server of this size (docs/operating.md). Durability stays as it is: fsync and
# synchronous_commit on.
POSTGRES = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
}
SHOWN = (*POSTGRES, "fsync", "synchronous_commit", "full_page_writes", "server_version")


@dataclass(frozen=True, slots=True)
class Services:
    """What is up, and the tenants that exist: their ids and keys."""

    app: Flask
    base: str
    database_url: str
    tenants: list[tuple[int, str]]
    stack: Stack

    def processes(self) -> list[psutil.Process]:
        """Every process that works for a request: the web server's and PostgreSQL's."""
        family = psutil.Process().children(recursive=True)
        return [process for process in family if _name(process) in {"granian", "postgres"}]

    def web_memory_mb(self) -> float:
        """The resident memory of the largest web process, in MB of 10^6 bytes."""
        web = [process for process in self.processes() if _name(process) == "granian"]
        return max(process.memory_info().rss for process in web) / 1e6

    def connect(self) -> psycopg.Connection:
        """A connection of the application's role."""
        return psycopg.connect(self.database_url)

    def postgres_settings(self) -> dict[str, str]:
        """The settings that matter to a reader of the figures."""
        with self.connect() as connection:
            rows = [(name, connection.execute(f"SHOW {name}").fetchone()) for name in SHOWN]
        return {name: row[0] for name, row in rows if row}


def _name(process: psutil.Process) -> str:
    try:
        words = " ".join(process.cmdline()[:4])
    except psutil.Error:
        return ""
    return next((name for name in ("granian", "postgres") if name in words and "guard.py" not in words), "")


@contextmanager
def services(folder: Path, *, tenants: int = 20) -> Iterator[Services]:
    """Bring everything up on an empty database, and down again."""
    with Stack(folder, environment={}, settings=POSTGRES) as stack:
        stack.drop_database("bench")
        port = free_port()
        url = stack.create_database("bench")
        base = f"http://127.0.0.1:{port}"
        os.environ.update(
            {
                "SECRET_KEY": secrets.token_hex(16),
                "PUBLIC_URL": base,
                "DATABASE_URL": url,
                "REDIS_URL": stack.redis_url,
                "STRIPE_SECRET_KEY": "sk_test_bench",
                "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "STRIPE_API_BASE": "http://127.0.0.1:9",  # nothing here calls Stripe
                "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
                "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
                "DATABASE_POOL_SIZE": str(THREADS),
            }
        )
        app = create_app()
        with app.app_context():
            upgrade()
            made = [_tenant(n) for n in range(tenants)]
        start_web(stack, port, workers=WORKERS, threads=THREADS)
        yield Services(app, base, url, made, stack)


def _tenant(number: int) -> tuple[int, str]:
    """A tenant with a key and a billing period, as one with a subscription has it."""
    now = datetime.now(UTC)
    with unit_of_work() as session:
        tenant = accounts.create_tenant(
            session, name=f"Tenant {number}", billing_email=f"t{number}@bench.example", sms_from=None, now=now
        )
        begin = month_start(now).replace(minute=14, second=24)
        learn_period(
            session,
            tenant.id,
            starts_at=begin,
            ends_at=next_month(now).replace(minute=14, second=24),
            subscription_id=f"sub_{number}",
            plan="professional",
        )
        return tenant.id, api_keys.create_api_key(session, tenant.id, "bench", now)


FOLDER = ROOT / ".local" / "bench"
