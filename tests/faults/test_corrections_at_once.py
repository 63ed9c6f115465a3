"""Two batches that correct the same events, each in an order of its own: one of them wins, and neither fails."""

from __future__ import annotations

import threading

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected
from dashboard.billing.ledger.usage import Recorded, Refusal, record_each
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.database import db
from dashboard.wiring import now
from tests.factories import usage_body
from tests.platform import new_tenant
from tests.sandbox_server import wait_until

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def test_corrections_in_another_order_wait_instead_of_deadlocking(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    engine = db.engine
    moment = now()

    def record(session: Session, *bodies: dict[str, object]) -> list[Recorded | Refusal]:
        events = [parse_usage(body, moment) for body in bodies]
        return record_each(session, tenant_id, events, source="test", now=moment)

    def correct(key: str, event_id: int) -> dict[str, object]:
        return usage_body(quantity=-1, idempotency_key=key, corrects_id=event_id)

    with Session(engine) as session:
        one, two = (each.id for each in record(session, usage_body(), usage_body()) if isinstance(each, Recorded))
        session.commit()

    second: list[Recorded | Refusal | Exception] = []

    def correct_both() -> None:
        try:
            with Session(engine) as session:
                second.extend(record(session, correct("b", two), correct("c", one)))
                session.commit()
        except Exception as error:
            second.append(error)

    with Session(engine) as session, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as onlooker:
        first = record(session, correct("a", one))
        other = threading.Thread(target=correct_both)
        other.start()
        wait_until(lambda: bool(onlooker.execute(_WAITING).scalar()), "the second batch to wait", 10)
        first += record(session, correct("d", two))
        session.commit()
        other.join(30)
    assert [isinstance(each, Recorded) and each.is_new for each in first] == [True, True]
    assert [type(each) for each in second] == [AlreadyCorrected, AlreadyCorrected]
