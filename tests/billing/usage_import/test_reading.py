"""Reading files: CSV by the names of its header, whatever the bytes, packed or from a pipe."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest

from dashboard.billing.errors import InvalidInput
from dashboard.billing.usage_import.csv_rows import read_csv
from dashboard.billing.usage_import.lines import Lines
from dashboard.billing.usage_import.source import format_of, open_source
from tests.billing.usage_import.rows import WHEN, checked, csv_rows, refusals


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


def test_a_metadata_key_given_twice_is_refused() -> None:
    text = 'usage_type,quantity,idempotency_key,metadata,metadata.a\nSMS_SENT,1,k,"{""a"": 1}",2\n'
    assert refusals(checked(csv_rows(text))) == [(2, "metadata.a")]


def test_the_tenant_may_be_named_if_it_is_the_tenant() -> None:
    text = "usage_type,quantity,idempotency_key,tenant_id\nSMS_SENT,1,a,7\nSMS_SENT,1,b,8\nSMS_SENT,1,c,\n"
    batch = checked(csv_rows(text))
    assert [event.idempotency_key for event in batch.events] == ["a", "c"]
    assert refusals(batch) == [(3, "tenant_id")]


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
