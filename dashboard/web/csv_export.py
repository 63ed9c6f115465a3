"""Rows as a CSV file (RFC 4180, UTF-8), written while they are read, whatever their number."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from flask import Response, request

# A spreadsheet takes a text that begins so for a formula (OWASP, "CSV Injection"). An apostrophe makes it a text.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_A_CHUNK = 500


def wants_csv(format_: str | None) -> bool:
    """Whether the caller asked for CSV, by `?format=` or else by its Accept header."""
    if format_ is not None:
        return format_ == "csv"
    return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A download called `name`.csv that begins before the last row is read."""
    response = Response(_write(columns, rows), mimetype="text/csv")
    response.headers["Content-Type"] = "text/csv; charset=utf-8; header=present"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _write(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in columns])
    for n, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if n % ROWS_A_CHUNK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value
