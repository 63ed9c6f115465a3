"""Real servers for the tests: PostgreSQL, Valkey and a sandbox, and an empty database for each test that commits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from dashboard.app import create_app
from dashboard.billing.tenants import accounts
from dashboard.config import Settings, load_settings
from dashboard.database import db
from dashboard.logs import configure_logs
from dashboard.web.api import request_counter
from dashboard.web.api.known_callers import known_callers
from dashboard.wiring import wire, wiring
from embedded.databases import with_name
from embedded.stack import Stack
from tests.emptying import empty, schema_of
from tests.mail_server import MailServer, serving_mail
from tests.platform import IsolatedClient, new_tenant
from tests.receiver import Receiver, receiving
from tests.sandbox_server import SandboxServer

TEMPLATE = "countinghouse_template"
DATABASE = "test"


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_at_once() -> Iterator[None]:
    """A hash that is meant to be slow costs the tests 0.6 s of processor time a login."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1))
        yield


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and Valkey of this run."""
    with Stack(tmp_path_factory.mktemp("stack"), durable=False) as stack:
        yield stack


@pytest.fixture(scope="session")
def sandbox_server(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> SandboxServer:
    """The sandbox of this run, on ports of its own."""
    return SandboxServer.start(stack, tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """An empty sandbox; what passed through it is checked against the SDK afterwards."""
    sandbox_server.reset()
    yield sandbox_server
    assert sandbox_server.breaches() == []


def settings_for(stack: Stack, sandbox_server: SandboxServer, database_url: str, **more: object) -> Settings:
    """Settings of an application under test."""
    given: dict[str, object] = {
        "secret_key": "a-secret-of-the-tests",
        "public_url": "http://127.0.0.1:5000",
        "database_url": database_url,
        "redis_url": stack.redis_url,
        "stripe_secret_key": "sk_test_tests",
        "stripe_api_base": sandbox_server.stripe_base,
        "twilio_account_sid": "AC" + "1" * 32,
        "twilio_auth_token": "token-of-the-tests",
        "twilio_api_base": sandbox_server.twilio_base,
        "clock_file": sandbox_server.clock_file,
        "stripe_webhook_secret": "whsec_of_the_tests",
        "pinned": {},
        "spool_folder": stack.data_dir / "spool" / database_url.rpartition("/")[2],
        "spool_interval": 0,  # tests say when
    }
    return load_settings(**{**given, **more})


@pytest.fixture(scope="session")
def template(stack: Stack, sandbox_server: SandboxServer) -> str:
    """A database with every table and no row, to copy."""
    url = stack.create_database(TEMPLATE)
    app = create_app(settings_for(stack, sandbox_server, url))
    with app.app_context():
        upgrade()
        db.engine.dispose()
    return TEMPLATE


@pytest.fixture(scope="session")
def engine(stack: Stack, template: str) -> Iterator[Engine]:
    """An engine on a database of this run's domain tests."""
    url = stack.create_database("domain", template=template)
    engine = create_engine(
        re.sub(r"^postgresql:", "postgresql+psycopg:", url), connect_args={"options": "-c timezone=UTC"}
    )
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose work is undone after the test."""
    with engine.connect() as connection:
        transaction = connection.begin()
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


@pytest.fixture(scope="session")
def schema(stack: Stack, template: str) -> str:
    """What the schema of the tests' database is, as `emptying` tells it."""
    stack.create_database(DATABASE, template=template)
    return schema_of(with_name(stack.admin_url, DATABASE))


@pytest.fixture
def database_url(stack: Stack, template: str, schema: str) -> str:
    """An empty migrated database of one test; the next test's has the same address."""
    if not empty(with_name(stack.admin_url, DATABASE), schema):
        stack.drop_database(DATABASE)
        stack.create_database(DATABASE, template=template)
    return with_name(stack.database_url, DATABASE)


@pytest.fixture
def more_settings() -> dict[str, object]:
    """What a test file wants set besides; it overrides this fixture."""
    return {}


@pytest.fixture(scope="session")
def usual_app(stack: Stack, sandbox_server: SandboxServer) -> Flask:
    """The application of all tests that want nothing set besides: to build one takes longer than most tests do."""
    app = create_app(settings_for(stack, sandbox_server, with_name(stack.database_url, DATABASE)))
    app.test_client_class = IsolatedClient
    return app


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    stack: Stack,
    sandbox: SandboxServer,
    database_url: str,
    more_settings: dict[str, object],
) -> Iterator[Flask]:
    """An application on an empty database and an empty sandbox."""
    if more_settings:
        app = create_app(settings_for(stack, sandbox, database_url, **more_settings))
        app.test_client_class = IsolatedClient
    else:
        app = request.getfixturevalue("usual_app")
    with app.app_context(), as_it_was(app):
        wiring().redis.flushall()
        yield app
        db.session.remove()
        request_counter.flush_now()
        db.engine.dispose()
        wiring().redis.close()
        spool = wiring().settings.api_request_spool
    spool.unlink() if spool.is_file() else shutil.rmtree(spool, ignore_errors=True)


@contextmanager
def as_it_was(app: Flask) -> Iterator[None]:
    """Let no test leave something to the next: what adapters remember, settings of the application or the process."""
    settings, config = app.extensions["countinghouse"].settings, dict(app.config)
    configure_logs(as_json=settings.log_json)
    wire(app, settings)
    known_callers.forget()
    yield
    app.config.clear()
    app.config.update(config)


@pytest.fixture
def tenant_id(app: Flask) -> int:
    """A stored tenant."""
    return new_tenant()[0]


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server on this machine; `more_settings` of a test file can name its `settings`."""
    with serving_mail() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A tenant's server for webhooks on this machine, which the setting `webhook_allow_private` allows."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser or service without cookies yet."""
    return app.test_client()


@pytest.fixture
def shots() -> Path:
    """Where a browser test leaves its screenshots."""
    folder = Path(__file__).resolve().parent.parent / ".local" / "shots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
