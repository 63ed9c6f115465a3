"""Events arrive, once, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from countinghouse_client import Countinghouse
from flask import Flask

from tests.client import ledger
from tests.client.conftest import MakeClient
from tests.client.servers import AppServer, CannedServer, LossyLine, http_answer
from tests.platform import bearer, new_tenant
from tests.sandbox_server import wait_until

EVENT = "AI_MESSAGE_GENERATED"
UNTIL = 60.0  # seconds; reached only where something is broken


def test_an_event_arrives_with_who_what_and_when(make_client: MakeClient) -> None:
    client, moment = make_client(), datetime.now(UTC) - timedelta(days=3)
    key = client.record(
        EVENT, 2, user="ada", resource=("conversation", "c-17"), metadata={"tokens": 512}, occurred_at=moment
    )
    assert client.flush(UNTIL)
    (event,) = ledger.events()
    assert (event.usage_type, event.quantity, event.user_id, event.idempotency_key) == (EVENT, 2, "ada", key)
    assert (event.resource_type, event.resource_id, event.details) == ("conversation", "c-17", {"tokens": 512})
    assert event.occurred_at == moment


def test_an_event_carries_the_time_of_its_record_not_of_its_arrival(make_client: MakeClient, server: AppServer) -> None:
    server.stop()
    client, before = make_client(), datetime.now(UTC)
    client.record(EVENT)
    after = datetime.now(UTC)
    server.start()
    assert client.flush(UNTIL)
    assert before <= ledger.events()[0].occurred_at <= after


def test_a_server_that_is_down_loses_nothing_and_counts_once(make_client: MakeClient, server: AppServer) -> None:
    server.stop()
    client = make_client()
    keys = {client.record(EVENT) for _ in range(2_500)}
    wait_until(lambda: client.stats().trouble is not None, "the client to see that nobody answers")
    assert client.stats().waiting == 2_500
    server.start()
    assert client.flush(UNTIL)
    assert ledger.keys() == keys
    assert ledger.counted() == 2_500
    assert (client.stats().sent, client.stats().trouble) == (2_500, None)


def test_an_answer_lost_after_the_commit_counts_once(make_client: MakeClient, server: AppServer) -> None:
    with LossyLine(server.base, losses=2) as line:
        client = make_client(line.base)
        keys = [client.record(EVENT) for _ in range(5)]
        assert client.flush(UNTIL)
    assert line.losses == 0
    assert sorted(ledger.keys()) == sorted(keys)
    assert ledger.counted() == 5
    assert (client.stats().sent, client.stats().duplicates) == (0, 5)


def test_a_key_of_the_callers_own_counts_once(make_client: MakeClient) -> None:
    client = make_client()
    for _ in range(3):
        client.record(EVENT, key="message-1", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
        assert client.flush(UNTIL)
    assert ledger.counted() == 1
    assert (client.stats().sent, client.stats().duplicates) == (1, 2)


def test_two_tenants_may_share_a_folder(make_client: MakeClient, server: AppServer) -> None:
    (one, one_key), (other, other_key) = new_tenant(), new_tenant()
    server.stop()
    clients = [make_client(api_key=one_key), make_client(api_key=other_key)]
    clients[0].record(EVENT, user="of one")
    clients[1].record(EVENT, user="of other")
    for client in clients:
        client.close(timeout=0)
    server.start()
    assert all(make_client(api_key=api_key).flush(UNTIL) for api_key in (other_key, one_key))
    assert {(event.tenant_id, event.user_id) for event in ledger.events()} == {(one, "of one"), (other, "of other")}


def test_a_key_that_is_not_good_keeps_the_events_until_it_is(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    altered = key[:-1] + ("a" if key[-1] != "a" else "b")
    client = make_client(api_key=altered)
    made = client.record(EVENT)
    wait_until(lambda: client.stats().trouble is not None, "the refusal")
    assert str(client.stats().trouble).startswith("401")
    assert any(entry.levelname == "ERROR" and "401" in entry.getMessage() for entry in caplog.records)
    assert (client.stats().waiting, client.stats().refused) == (1, 0)
    assert not client.close(timeout=0)
    assert make_client().flush(UNTIL)
    assert ledger.keys() == {made}


def test_events_that_are_refused_go_aside_with_their_reasons_and_hold_up_nobody(make_client: MakeClient) -> None:
    client = make_client(linger=0.5)
    late = datetime.now(UTC) + timedelta(days=1)
    good = [client.record(EVENT, quantity=n) for n in range(4)]
    bad = client.record(EVENT, occurred_at=late)
    good += [client.record(EVENT, quantity=n) for n in range(3)]
    assert client.flush(UNTIL)
    assert ledger.keys() == set(good)
    (refused,) = client.refused()
    assert (refused.key, refused.event["idempotency_key"]) == (bad, bad)
    assert "occurred_at" in str(refused.errors[0]["field"])
    assert (client.stats().sent, client.stats().refused) == (7, 1)
    assert client.forget_refused([bad]) == [refused]
    assert client.refused() == []


def test_a_key_reused_for_another_event_is_refused(make_client: MakeClient) -> None:
    client = make_client()
    client.record(EVENT, 1, key="one")
    client.record(EVENT, 2, key="one")
    assert client.flush(UNTIL)
    assert ledger.counted() == 1
    assert [(refused.key, refused.event["quantity"]) for refused in client.refused()] == [("one", 2)]


def test_a_batch_that_is_too_large_is_halved_until_it_fits(make_client: MakeClient, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 20_000
    client = make_client()
    keys = {client.record(EVENT, metadata={"text": "x" * 4_000}) for _ in range(20)}
    assert client.flush(UNTIL)
    assert ledger.keys() == keys
    assert client.refused() == []


ACCEPTED = '{"new": 1, "duplicates": 0, "refused": 0, "events": [{"index": 0, "status": "new", "id": 1}]}'


@pytest.mark.parametrize(
    "first",
    [
        http_answer("500 Internal Server Error"),
        http_answer("429 Too Many Requests"),
        http_answer("422 Unprocessable Content", "<p>our proxy thinks so</p>", "text/html"),
        http_answer("200 OK", "<p>please log in to the airport's network</p>", "text/html"),
        http_answer("200 OK", '{"new": 9, "events": []}'),
        http_answer("302 Found", "", "text/html", "Location: /elsewhere"),
        b"no http at all\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_receipt_is_none(make_client: MakeClient, first: bytes) -> None:
    with CannedServer(first, http_answer("201 Created", ACCEPTED)) as canned:
        client = make_client(canned.base)
        client.record(EVENT)
        assert client.flush(UNTIL)
    assert len(canned.bodies) >= 2
    assert len(set(canned.bodies)) == 1
    assert (client.stats().sent, client.stats().refused) == (1, 0)


def test_a_pause_that_the_server_asks_for_is_kept(make_client: MakeClient) -> None:
    busy = http_answer("503 Service Unavailable", "{}", "application/json", "Retry-After: 3000")
    with CannedServer(busy) as canned:
        client = make_client(canned.base)
        client.record(EVENT)
        wait_until(lambda: client.stats().trouble is not None, "the first answer")
        # Without the header the flush would hurry to the next attempt.
        assert not client.flush(0.3)
        assert len(canned.bodies) == 1
        client.close(timeout=0)


def test_the_spool_is_empty_after_a_clean_end(make_client: MakeClient, spool: Path) -> None:
    with make_client() as client:
        client.record(EVENT)
    assert client.stats().sent == 1
    assert [path for path in spool.rglob("*") if path.is_dir() and path.parent != spool] == []
    with pytest.raises(RuntimeError, match="closed"):
        client.record(EVENT)


def test_what_the_client_sends_is_an_ordinary_batch(make_client: MakeClient, app: Flask, key: str) -> None:
    client = make_client()
    client.record(EVENT, user="ada")
    assert client.flush(UNTIL)
    shown = app.test_client().get(f"/api/billing/usage/events/{ledger.events()[0].id}", headers=bearer(key)).get_json()
    assert (shown["user_id"], shown["source"]) == ("ada", "api")


def test_a_client_is_told_at_once_what_it_lacks(spool: Path) -> None:
    with pytest.raises(ValueError, match="api_key"):
        Countinghouse("http://127.0.0.1:1", "sk_live_1", spool=spool)
    with pytest.raises(ValueError, match="base_url"):
        Countinghouse("billing.example.com", "ch_1_abc", spool=spool)
    with pytest.raises(ValueError, match="batch_size"):
        Countinghouse("http://127.0.0.1:1", "ch_1_abc", spool=spool, batch_size=1_001)
    assert not spool.exists()
