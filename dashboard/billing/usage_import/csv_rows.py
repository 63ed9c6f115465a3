"""The usage events of a CSV file: a header row that names the fields, then one event a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import BinaryIO

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_input import FIELDS
from dashboard.billing.usage_import.lines import MAX_LINE_BYTES, TOO_LONG, Line, Lines, Row, decode, read_json

NUMBERS = frozenset({"quantity", "corrects_id", "tenant_id"})
REQUIRED = ("usage_type", "quantity")
METADATA = "metadata."
# As long as a whole number may sensibly be; longer texts are refused as no number at all.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)


def read_csv(stream: BinaryIO) -> Iterator[Row]:
    """The rows of a CSV file; empty lines are passed over.

    Raises `InvalidInput` at once when the header is not as it must be.
    """
    lines = Lines(stream)
    columns = _read_header(lines)
    return _rows(lines, columns)


def _read_header(lines: Lines) -> list[str]:
    for line in lines:
        if line.is_too_long:
            raise InvalidInput("header", TOO_LONG)
        if line.data.strip():
            _, cells = _read_cells(line, lines)
            return _checked_columns([cell.strip() for cell in cells])
    raise InvalidInput("header", "must be the first row of a CSV file; this file is empty")


def _checked_columns(columns: list[str]) -> list[str]:
    allowed = FIELDS | {"tenant_id"}
    for name in columns:
        if name not in allowed and not name.startswith(METADATA):
            raise InvalidInput(
                "header", f"{name[:100]!r} is not a field; allowed are {', '.join(sorted(allowed))} and metadata.<key>"
            )
        if name == METADATA or columns.count(name) > 1:
            raise InvalidInput("header", f"must name each field once; {name[:100]!r} is empty or there twice")
    for name in REQUIRED:
        if name not in columns:
            raise InvalidInput("header", f"must have a column {name}")
    return columns


def _rows(lines: Lines, columns: list[str]) -> Iterator[Row]:
    for line in lines:
        if line.is_too_long:
            yield Row(line.number, line.number, line.end, refusal=InvalidInput("line", TOO_LONG))
        elif line.data.strip():
            yield _row(line, lines, columns)


def _row(line: Line, lines: Lines, columns: list[str]) -> Row:
    last = line
    try:
        last, cells = _read_cells(line, lines)
        return Row(line.number, last.number, last.end, raw=_event(columns, cells))
    except InvalidInput as refusal:
        return Row(line.number, last.number, last.end, refusal=refusal)


def _read_cells(first: Line, lines: Lines) -> tuple[Line, list[str]]:
    """The cells of the row that begins with `first`, and the line it ends on (a quoted cell may hold line ends).

    A row that cannot be read loses its first line only: the others are put back, so that a quote which is never
    closed does not swallow the good rows after it.
    """
    taken = [first]
    try:
        _take_until_closed(taken, lines)
        text = decode(b"".join(line.data for line in taken))
        return taken[-1], next(csv.reader([text], strict=True))
    except csv.Error as error:
        lines.put_back(taken[1:])
        raise InvalidInput("line", f"must be a CSV row: {error}") from None
    except InvalidInput:
        lines.put_back(taken[1:])
        raise


def _take_until_closed(taken: list[Line], lines: Lines) -> None:
    """Take further lines as long as a quoted cell is open, which is when the number of quotes so far is odd."""
    quotes, size = taken[0].data.count(b'"'), len(taken[0].data)
    while quotes % 2:
        line = next(lines, None)
        if line is not None:
            taken.append(line)
            size += len(line.data)
        if line is None or line.is_too_long or size > MAX_LINE_BYTES:
            raise InvalidInput("line", f"must be a CSV row: a quoted cell is not closed within {MAX_LINE_BYTES} bytes")
        quotes += line.data.count(b'"')


def _event(columns: list[str], cells: list[str]) -> dict[str, object]:
    """The event of a row. An empty cell is a field that is not given."""
    if len(cells) != len(columns):
        raise InvalidInput("line", f"must have {len(columns)} cells like the header; it has {len(cells)}")
    event: dict[str, object] = {}
    details: dict[str, object] = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        if column.startswith(METADATA):
            details[column.removeprefix(METADATA)] = cell
        elif column == "metadata":
            event[column] = read_json(cell, column)
        elif column in NUMBERS and _WHOLE_NUMBER.fullmatch(cell):
            event[column] = int(cell)
        else:
            event[column] = cell
    return _with_details(event, details)


def _with_details(event: dict[str, object], details: dict[str, object]) -> dict[str, object]:
    if not details:
        return event
    metadata = event.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidInput("metadata", "must be a JSON object")
    for key in details:
        if key in metadata:
            raise InvalidInput(f"{METADATA}{key}", "is in the metadata column as well; give it once")
    return {**event, "metadata": {**metadata, **details}}
