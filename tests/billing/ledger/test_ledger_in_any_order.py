"""Record, repeat, import, correct, learn a period, crash, verify, in random order: the ledger says what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.ledger.totals import totals_between
from dashboard.billing.ledger.usage import Recorded, record_each, record_groups, record_usages
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES
from dashboard.billing.periods.period_learning import learn_period
from dashboard.billing.usage_import.checking import Checker, in_batches
from dashboard.billing.usage_import.lines import read_json_lines
from dashboard.billing.usage_import.recording import record_batch
from dashboard.models import UsageEvent
from tests.factories import NOON, make_tenant

TYPES = ("SMS_SENT", "CALL_DURATION_SECONDS", "STORAGE_USED_MB")
START = NOON - timedelta(hours=4)
SECONDS = 5 * 3_600
ORDER = st.integers(0, 10**6)

events = st.fixed_dictionaries(
    {
        "usage_type": st.sampled_from(TYPES),
        "quantity": st.integers(0, 1_000),
        "idempotency_key": st.integers(0, 40).map("k{}".format),
        "occurred_at": st.integers(0, SECONDS).map(lambda second: (START + timedelta(seconds=second)).isoformat()),
    }
)


@dataclass
class Known:
    """What a tenant's ledger should hold."""

    id: int
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    corrected: dict[str, int] = field(default_factory=dict)

    def total(self, usage_type: str, start: datetime, stop: datetime) -> int:
        """The total of a type in `[start, stop)`: a sum with its corrections, or the latest reading."""
        found = []
        for key, body in self.bodies.items():
            moment = datetime.fromisoformat(body["occurred_at"])
            if body["usage_type"] == usage_type and start <= moment < stop:
                found.append((moment, body["quantity"] - self.corrected.get(key, 0)))
        if usage_type in LEVELS:
            return max(found)[1] if found else 0
        return sum(quantity for _, quantity in found)


class Ledger(RuleBasedStateMachine):
    """Two tenants."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection = engine.connect()
        self.transaction = self.connection.begin()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.transaction.rollback()
        self.connection.close()

    def connect(self) -> Session:
        """A session whose commits are undone after the example."""
        return Session(bind=self.connection, join_transaction_mode="create_savepoint")

    @initialize()
    def two_tenants(self) -> None:
        """Both empty."""
        self.boundaries = [START]
        with self.connect() as session:
            self.tenants = [Known(make_tenant(session).id) for _ in range(2)]
            session.commit()

    @rule(batch=st.lists(events, min_size=1, max_size=12), which=st.integers(0, 1))
    def record_a_batch(self, batch: list[dict[str, Any]], which: int) -> None:
        """Each for itself: known keys are repeats or conflicts, the others count."""
        known = self.tenants[which]
        with self.connect() as session:
            outcomes = record_each(session, known.id, self._parsed(batch), source="test", now=NOON)
            session.commit()
        self._take(known, batch, outcomes)

    @rule(one=st.lists(events, max_size=4), other=st.lists(events, max_size=4))
    def record_for_both_at_once(self, one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
        """As the combined writes do."""
        batches = {self.tenants[0].id: one, self.tenants[1].id: other}
        with self.connect() as session:
            groups = {id_: self._parsed(batch) for id_, batch in batches.items()}
            outcomes = record_groups(session, groups, source="test", now=NOON)
            session.commit()
        for known in self.tenants:
            self._take(known, batches[known.id], outcomes[known.id])

    @rule(batch=st.lists(events, min_size=1, max_size=12), which=st.integers(0, 1))
    def all_or_none(self, batch: list[dict[str, Any]], which: int) -> None:
        """One conflict takes the whole batch back."""
        known = self.tenants[which]
        with self.connect() as session:
            try:
                recorded = record_usages(session, known.id, self._parsed(batch), source="test", now=NOON)
            except IdempotencyConflict:
                return
            session.commit()
        self._take(known, batch, recorded)

    @rule(batch=st.lists(events, min_size=1, max_size=12), which=st.integers(0, 1))
    def crash_before_the_commit(self, batch: list[dict[str, Any]], which: int) -> None:
        """Nothing of it stays."""
        with self.connect() as session:
            record_each(session, self.tenants[which].id, self._parsed(batch), source="test", now=NOON)

    @rule(
        batch=st.lists(events, min_size=1, max_size=8),
        which=st.integers(0, 1),
        done_before_the_crash=st.integers(0, 3),
    )
    def import_a_file(self, batch: list[dict[str, Any]], which: int, done_before_the_crash: int) -> None:
        """Stopped after some batches and begun again: each good line counts once, the broken one takes none with it."""
        known = self.tenants[which]
        file = b"".join(msgspec.json.encode(body) + b"\n" for body in batch) + b'{"usage_type": "SMS_SENT"\n'
        self._import(known, file, stop_after=done_before_the_crash)
        refused = self._import(known, file)
        expected = []
        for line, body in enumerate(batch, 1):
            key = body["idempotency_key"]
            if known.bodies.setdefault(key, body) != body:
                expected.append(line)
        assert refused == [*expected, len(batch) + 1]
        with self.connect() as session:
            rows = session.execute(
                select(UsageEvent.idempotency_key, UsageEvent.id).where(UsageEvent.tenant_id == known.id)
            )
            known.ids = {key: id_ for key, id_ in rows if key in known.bodies}
        assert known.ids.keys() == known.bodies.keys()

    def _import(self, known: Known, file: bytes, *, stop_after: int | None = None) -> list[int]:
        """The lines that were refused; each batch of two lines is a transaction."""
        checker = Checker(known.id)
        refused: list[int] = []
        try:
            for number, rows in enumerate(in_batches(read_json_lines(BytesIO(file)), 2)):
                if number == stop_after:
                    break
                with self.connect() as session:
                    checked = checker.check_batch(rows, NOON + timedelta(hours=2))
                    outcome = record_batch(session, known.id, checked, now=NOON)
                    session.commit()
                refused += [refusal.line for refusal in outcome.refusals]
        finally:
            checker.close()
        return refused

    @rule(which=st.integers(0, 1), order=ORDER, share=st.integers(0, 1_200))
    def correct(self, which: int, order: int, share: int) -> None:
        """Once, by no more than there was, and not a level."""
        known = self.tenants[which]
        if not known.bodies:
            return
        key = sorted(known.bodies)[order % len(known.bodies)]
        body = known.bodies[key]
        correction = {
            "usage_type": body["usage_type"],
            "quantity": -share,
            "idempotency_key": f"correction-{key}-{len(known.corrected)}-{order}",
            "corrects_id": known.ids[key],
        }
        with self.connect() as session:
            if body["usage_type"] in LEVELS:
                with pytest.raises(InvalidInput, match="corrects_id"):
                    self._parsed([correction])
                return
            (outcome,) = record_each(session, known.id, self._parsed([correction]), source="test", now=NOON)
            session.commit()
        if share > body["quantity"]:
            assert isinstance(outcome, InvalidInput)
        elif key in known.corrected:
            assert isinstance(outcome, AlreadyCorrected)
        else:
            assert isinstance(outcome, Recorded)
            known.corrected[key] = share

    @rule(second=st.integers(1, SECONDS), which=st.integers(0, 1))
    def learn_a_period(self, second: int, which: int) -> None:
        """A boundary anywhere in an hour cuts it, whatever was recorded there before."""
        boundary = START + timedelta(seconds=second)
        known = self.tenants[which]
        with self.connect() as session:
            learn_period(
                session,
                known.id,
                starts_at=boundary,
                ends_at=boundary + timedelta(days=30),
                subscription_id="sub_1",
                plan="starter",
            )
            session.commit()
        if which == 0:
            self.boundaries.append(boundary)

    @invariant()
    def totals_are_what_happened(self) -> None:
        """For each type, over everything and cut at each boundary; and the rebuilt rollups are the stored ones."""
        end = START + timedelta(days=60)
        with self.connect() as session:
            for n, known in enumerate(self.tenants):
                edges = [*sorted(set(self.boundaries)), end] if n == 0 else [START, end]
                for start, stop in pairwise(edges):
                    found = totals_between(session, known.id, list(USAGE_TYPES), start, stop)
                    expected = {usage_type: known.total(usage_type, start, stop) for usage_type in TYPES}
                    assert {usage_type: found.get(usage_type, 0) for usage_type in TYPES} == expected
            assert verify_rollups(session) == []

    @staticmethod
    def _parsed(batch: list[dict[str, Any]]) -> list[Any]:
        return [parse_usage(body, NOON + timedelta(hours=2)) for body in batch]

    @staticmethod
    def _take(known: Known, batch: list[dict[str, Any]], outcomes: Any) -> None:
        for body, outcome in zip(batch, outcomes, strict=True):
            key = body["idempotency_key"]
            if key not in known.bodies:
                assert isinstance(outcome, Recorded)
                assert outcome.is_new
                known.bodies[key], known.ids[key] = body, outcome.id
            elif known.bodies[key] == body:
                assert isinstance(outcome, Recorded)
                assert (outcome.is_new, outcome.id) == (False, known.ids[key])
            else:
                assert isinstance(outcome, IdempotencyConflict)


def test_whatever_the_order_the_ledger_says_what_happened(engine: Engine) -> None:
    run_state_machine_as_test(
        lambda: Ledger(engine),
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
