"""Files of usage events: read whatever they hold, each line either an event or named with what is wrong."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.usage_import.checking import Batch, Checker, in_batches
from dashboard.billing.usage_import.csv_rows import read_csv
from dashboard.billing.usage_import.lines import Lines, Row, read_json_lines
from dashboard.billing.usage_import.recording import record_batch
from dashboard.billing.usage_import.runs import ImportTaken, advance_import, begin_import, finish_import
from dashboard.billing.usage_import.source import Source, format_of, open_source
from dashboard.models import UsageEvent, UsageImport
from tests.factories import NOON, make_tenant, record, usage_body

TENANT = 7
WHEN = "2026-06-15T10:00:00Z"


def csv_rows(text: str | bytes) -> list[Row]:
    return list(read_csv(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def checked(rows: list[Row], tenant_id: int = TENANT) -> Batch:
    with closing(Checker(tenant_id)) as checker:
        return checker.check_batch(rows, NOON)


def json_batch(*events: object) -> Batch:
    lines = "\n".join(event if isinstance(event, str) else json.dumps(event) for event in events)
    return checked(list(read_json_lines(io.BytesIO(lines.encode()))))


def refusals(batch: Batch) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.field) for refusal in batch.refusals]


def test_a_csv_row_is_an_event_by_the_names_of_its_header() -> None:
    text = (
        "usage_type,quantity,idempotency_key,occurred_at,user_id,resource_type,resource_id,metadata,metadata.campaign\r\n"
        f'SMS_SENT,3,k1,{WHEN},ada,message,SM1,"{{""tokens"": 5}}",spring\r\n'
    )
    (event,) = checked(csv_rows(text)).events
    assert (event.usage_type, event.quantity, event.idempotency_key) == ("SMS_SENT", 3, "k1")
    assert (event.user_id, event.resource_type, event.resource_id) == ("ada", "message", "SM1")
    assert event.metadata == {"tokens": 5, "campaign": "spring"}
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-06-15T10:00:00+00:00"


def test_an_empty_cell_is_a_field_that_is_not_given() -> None:
    (event,) = checked(csv_rows("usage_type,quantity,user_id,idempotency_key,corrects_id\nSMS_SENT,1,,k,\n")).events
    assert event.user_id is None
    assert event.corrects_id is None


def test_line_ends_inside_a_quoted_cell_count_as_lines() -> None:
    text = 'usage_type,quantity,idempotency_key,metadata.note\n\nSMS_SENT,1,a,"two\nlines"\nSMS_SENT,x,b,\n'
    first, second = csv_rows(text)
    assert (first.line, first.last_line, second.line) == (3, 4, 5)
    batch = checked([first, second])
    assert batch.events[0].metadata == {"note": "two\nlines"}
    assert refusals(batch) == [(5, "quantity")]


def test_a_quote_that_is_never_closed_costs_its_own_line_only() -> None:
    header = "usage_type,quantity,idempotency_key\n"
    text = header + 'SMS_SENT,1,"a\n' + "".join(f"SMS_SENT,1,k{n}\n" for n in range(5)) + 'SMS_SENT,1,"b"\n'
    batch = checked(csv_rows(text))
    assert refusals(batch) == [(2, "line")]
    assert [event.idempotency_key for event in batch.events] == ["k0", "k1", "k2", "k3", "k4", "b"]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("usage_type;quantity", "'usage_type;quantity'"),
        ("usage_type,quantity,price", "'price'"),
        ("usage_type,quantity,quantity", "'quantity'"),
        ("usage_type,quantity,metadata.", "'metadata.'"),
        ("usage_type,idempotency_key", "column quantity"),
        ("", "empty"),
        ("x" * 70_000, "65536 bytes"),
        ("\ufeff\ufeffusage_type,quantity", "ufeffusage_type"),
    ],
)
def test_a_wrong_header_is_refused_before_anything_is_read(header: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as refusal:
        read_csv(io.BytesIO(header.encode()))
    assert refusal.value.field == "header"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_either_line_end_are_taken(end: str) -> None:
    text = f"\ufeffusage_type,quantity,idempotency_key{end}SMS_SENT,2,k{end}"
    assert [event.quantity for event in checked(csv_rows(text)).events] == [2]


def test_a_line_may_be_64_kilobytes_and_no_longer() -> None:
    lines = list(Lines(io.BytesIO(b"a" * 65_536 + b"\r\n" + b"b" * 65_537 + b"\n" + b"c" * 300_000 + b"\nd")))
    assert [line.is_too_long for line in lines] == [False, True, True, False]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert lines[-1].data == b"d"
    assert lines[-1].end == 65_538 + 65_538 + 300_001 + 1


BROKEN: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"usage_type": "SMS_SENT", "quantity": 1', "line"),
    "not an object": (b"[1, 2]", "event"),
    "a byte that is not UTF-8": (b'{"usage_type": "SMS_SENT\xff"}', "line"),
    "a NUL byte": (b'{"usage_type": "SMS\x00SENT"}', "line"),
    "a line that is too long": (b'{"user_id": "' + b"x" * 70_000 + b'"}', "line"),
    "endless nesting": (b"[" * 60_000, "line"),
    "an endless number": (b'{"quantity": ' + b"9" * 5_000 + b"}", "line"),
    "an unknown field": (b'{"usage_type": "SMS_SENT", "quantity": 1, "price": 2}', "price"),
    "an unknown field of surrogates": (b'{"\\ud800\\u0000": 1}', "\\ud800\\x00"),
    "an unknown usage type": (b'{"usage_type": "FAX", "quantity": 1, "idempotency_key": "a"}', "usage_type"),
    "no quantity": (b'{"usage_type": "SMS_SENT", "idempotency_key": "a"}', "quantity"),
    "half a segment": (b'{"usage_type": "SMS_SENT", "quantity": 1.5, "idempotency_key": "a"}', "quantity"),
    "a negative quantity": (b'{"usage_type": "SMS_SENT", "quantity": -1, "idempotency_key": "a"}', "quantity"),
    "a time without offset": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": "2026-06-01T00:00:00"}',
        "occurred_at",
    ),
    "a time ahead": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": "2099-01-01T00:00:00Z"}',
        "occurred_at",
    ),
    "another tenant": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "tenant_id": 8}',
        "tenant_id",
    ),
    "a tenant that is true": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "tenant_id": true}',
        "tenant_id",
    ),
    "an empty key": (b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": ""}', "idempotency_key"),
    "neither key nor time": (b'{"usage_type": "SMS_SENT", "quantity": 1}', "idempotency_key"),
    "metadata that is a list": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "metadata": []}',
        "metadata",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_json_line_is_named_and_its_neighbours_are_in(kind: str) -> None:
    broken, field = BROKEN[kind]
    good = [json.dumps(usage_body(idempotency_key=key)).encode() for key in ("before", "after")]
    batch = checked(list(read_json_lines(io.BytesIO(b"\n".join([good[0], broken, good[1]])))))
    assert refusals(batch) == [(2, field)]
    assert [event.idempotency_key for event in batch.events] == ["before", "after"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (b"SMS_SENT,1,a,,,", "line"),
        (b'SMS_SENT,1,"a"b,', "line"),
        (b"SMS_SENT,1,\xc3,", "line"),
        (b"SMS_SENT,1,\x00,", "line"),
        (b"SMS_SENT,1," + b"x" * 70_000 + b",", "line"),
        (b"SMS_SENT,1_000,a,", "quantity"),
        (b"SMS_SENT,1.0,a,", "quantity"),
        (b"SMS_SENT," + b"9" * 5_000 + b",a,", "quantity"),
        (b"SMS_SENT,,a,", "quantity"),
        (b'SMS_SENT,1,a,"{"', "metadata"),
        (b"SMS_SENT,1,a,5", "metadata"),
    ],
)
def test_a_broken_csv_row_is_named_and_its_neighbours_are_in(row: bytes, field: str) -> None:
    text = b"usage_type,quantity,idempotency_key,metadata\nSMS_SENT,1,k1,\n" + row + b"\nSMS_SENT,1,k2,\n"
    batch = checked(csv_rows(text))
    assert refusals(batch) == [(3, field)]
    assert [event.idempotency_key for event in batch.events] == ["k1", "k2"]


def test_a_metadata_key_given_twice_is_refused() -> None:
    text = 'usage_type,quantity,idempotency_key,metadata,metadata.a\nSMS_SENT,1,k,"{""a"": 1}",2\n'
    assert refusals(checked(csv_rows(text))) == [(2, "metadata.a")]


def test_the_tenant_may_be_named_if_it_is_the_tenant() -> None:
    text = "usage_type,quantity,idempotency_key,tenant_id\nSMS_SENT,1,a,7\nSMS_SENT,1,b,8\nSMS_SENT,1,c,\n"
    batch = checked(csv_rows(text))
    assert [event.idempotency_key for event in batch.events] == ["a", "c"]
    assert refusals(batch) == [(3, "tenant_id")]


def keyless(**more: Any) -> dict[str, Any]:
    return {"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": WHEN, **more}


def test_equal_lines_without_a_key_are_separate_actions_with_the_same_keys_each_time() -> None:
    first, again = (json_batch(keyless(), keyless(quantity=2), keyless()) for _ in range(2))
    keys = [event.idempotency_key for event in first.events]
    assert len(set(keys)) == 3
    assert keys == [event.idempotency_key for event in again.events]


def test_a_made_key_stays_when_lines_around_it_are_mended_or_the_format_changes() -> None:
    before = json_batch("broken", keyless(user_id="ada"))
    mended = json_batch(keyless(), keyless(user_id="ada"))
    as_csv = checked(csv_rows(f"user_id,occurred_at,quantity,usage_type\nada,{WHEN},1,SMS_SENT\n"))
    assert before.events[0] == mended.events[1] == as_csv.events[0]


def test_a_correction_needs_neither_key_nor_time() -> None:
    (event,) = json_batch({"usage_type": "SMS_SENT", "quantity": -1, "corrects_id": 5}).events
    assert event.idempotency_key.startswith("import:")


def test_rows_passed_over_count_for_the_keys_of_later_ones() -> None:
    rows = list(read_json_lines(io.BytesIO("\n".join([json.dumps(keyless())] * 3).encode())))
    whole = checked(rows)
    with closing(Checker(TENANT)) as checker:
        for row in rows[:2]:
            checker.pass_over(row, NOON)
        assert checker.check_batch(rows[2:], NOON).events == whole.events[2:]


def test_a_batch_ends_early_where_rows_are_long() -> None:
    rows = [Row(n, n, n * 60_000) for n in range(1, 201)]
    sizes = [len(batch) for batch in in_batches(rows, 1_000)]
    assert sum(sizes) == 200
    assert max(sizes) * 60_000 <= 4 * 1024 * 1024 + 60_000
    assert [len(batch) for batch in in_batches(rows, 90)] == [70, 70, 60]


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
def test_a_file_is_known_by_its_unpacked_bytes(pack: Any) -> None:
    data = b"some bytes\n" * 10
    with open_source("x", io.BytesIO(data)) as plain, open_source("x", io.BytesIO(pack(data))) as source:
        assert source.fingerprint == plain.fingerprint
        assert source.size == len(data)
        assert source.stream.read() == data


class Pipe(io.BytesIO):
    """Bytes that can be read once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a pipe cannot seek")


def test_a_pipe_is_read_once_and_taken_whole() -> None:
    with open_source("-", Pipe(gzip.compress(b"line\n"))) as source:
        assert source.stream.read() == b"line\n"


def test_a_cut_off_gzip_file_is_refused_before_anything_is_read() -> None:
    cut = gzip.compress(b"some bytes\n" * 1_000)[:-12]
    with pytest.raises(InvalidInput, match="gzip"), open_source("x", io.BytesIO(cut)):
        pass


def test_the_format_follows_from_the_name() -> None:
    names = ("a.csv", "A.CSV.gz", "a.jsonl", "a.ndjson.gz", "a.txt", "-")
    assert [format_of(name) for name in names] == ["csv", "csv", "jsonl", "jsonl", None, None]


def source(content: bytes = b"x") -> Source:
    with open_source("x.jsonl", io.BytesIO(content)) as opened:
        return opened


def test_one_refused_event_takes_no_other_of_its_batch_with_it(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, idempotency_key="k3", quantity=9)
    good = [usage_body(idempotency_key=f"k{n}") for n in range(8)]
    wrong = usage_body(quantity=-1, corrects_id=2**40)
    batch = json_batch(*good, wrong, good[0])
    outcome = record_batch(session, tenant.id, batch, now=NOON)
    assert (outcome.new, outcome.duplicates) == (7, 1)
    assert [(refusal.line, refusal.field) for refusal in outcome.refusals] == [
        (4, "idempotency_key"),
        (9, "corrects_id"),
    ]
    stored = session.scalar(select(func.count()).where(UsageEvent.tenant_id == tenant.id))
    assert stored == 8


def test_a_file_has_one_unfinished_import_and_a_new_one_once_it_is_complete(session: Session) -> None:
    tenant, file = make_tenant(session), source()
    first = begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON)
    assert begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON).id == first.id
    assert begin_import(session, tenant.id, source(b"y"), "jsonl", started_by="ada", now=NOON).id != first.id
    finish_import(session, first, NOON)
    assert begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON).id != first.id


def test_an_import_begun_anew_abandons_the_unfinished_one(session: Session) -> None:
    tenant, file = make_tenant(session), source()
    first = begin_import(session, tenant.id, file, "jsonl", started_by="ada", now=NOON)
    second = begin_import(session, tenant.id, file, "jsonl", started_by="ada", anew=True, now=NOON)
    assert second.id != first.id
    assert session.get_one(UsageImport, (tenant.id, first.id)).state == "abandoned"
    with pytest.raises(ImportTaken):
        finish_import(session, first, NOON)


def test_two_processes_cannot_move_the_same_import_on(session: Session) -> None:
    tenant = make_tenant(session)
    run = begin_import(session, tenant.id, source(), "jsonl", started_by="ada", now=NOON)
    batch = json_batch(usage_body(), "broken")
    outcome = record_batch(session, tenant.id, batch, now=NOON)
    moved = advance_import(session, run, batch, outcome)
    assert (moved.line, moved.new, moved.refused) == (2, 1, 1)
    with pytest.raises(ImportTaken):
        advance_import(session, run, batch, outcome)


def test_an_import_for_no_tenant_is_refused(session: Session) -> None:
    with pytest.raises(NotFound):
        begin_import(session, 2**40, source(), "jsonl", started_by="ada", now=NOON)
