"""The physical lines of a file, however broken, and the usage events of JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Self

from dashboard.billing.errors import InvalidInput

MAX_LINE_BYTES = 64 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOO_LONG = f"must be at most {MAX_LINE_BYTES} bytes long"


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its line end. `number` counts from 1, `end` is the offset of the byte after it.

    The bytes of a line that is too long are not kept.
    """

    number: int
    end: int
    data: bytes
    is_too_long: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What should be one usage event: as the file gives it in `raw`, or why it cannot be read in `refusal`.

    `line` is the physical line it begins on, `last_line` the one it ends on, `end` the offset after it.
    """

    line: int
    last_line: int
    end: int
    raw: object = None
    refusal: InvalidInput | None = None


class Lines:
    """Physical lines one after the other; lines taken too early can be put back. Never holds a whole file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._number = 0
        self._end = 0
        self._put_back: list[Line] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Line:
        if self._put_back:
            return self._put_back.pop()
        data = self._stream.readline(MAX_LINE_BYTES + 2)
        if not data:
            raise StopIteration
        self._end += len(data)
        self._number += 1
        if self._number == 1:
            data = data.removeprefix(BYTE_ORDER_MARK)
        is_too_long = len(data.rstrip(b"\r\n")) > MAX_LINE_BYTES
        if is_too_long:
            self._pass_over_rest(data)
        return Line(self._number, self._end, b"" if is_too_long else data, is_too_long)

    def put_back(self, lines: Iterable[Line]) -> None:
        """Give these lines, in their order, once more."""
        self._put_back.extend(reversed(list(lines)))

    def _pass_over_rest(self, data: bytes) -> None:
        while data and not data.endswith(b"\n"):
            data = self._stream.readline(MAX_LINE_BYTES)
            self._end += len(data)


def decode(data: bytes) -> str:
    """The text of a line.

    Raises `InvalidInput` for a NUL character or bytes that are not UTF-8.
    """
    if b"\x00" in data:
        raise InvalidInput("line", f"must not hold a NUL character; byte {data.index(0) + 1} is one")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("line", f"must be UTF-8 text; byte {error.start + 1} is not") from None


def read_json(text: str, field: str) -> object:
    """The JSON value in a text.

    Raises `InvalidInput` that says at which character it breaks.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(field, f"must be a JSON object; character {error.pos + 1}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise InvalidInput(field, "must be a JSON object without endless numbers or nesting") from None


def read_json_lines(stream: BinaryIO) -> Iterator[Row]:
    """The rows of a JSON Lines file; empty lines are passed over."""
    for line in Lines(stream):
        if line.is_too_long or line.data.strip():
            yield _json_row(line)


def _json_row(line: Line) -> Row:
    if line.is_too_long:
        return Row(line.number, line.number, line.end, refusal=InvalidInput("line", TOO_LONG))
    try:
        return Row(line.number, line.number, line.end, raw=read_json(decode(line.data), "line"))
    except InvalidInput as refusal:
        return Row(line.number, line.number, line.end, refusal=refusal)
