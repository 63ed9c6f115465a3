"""The file of an import: opened, unpacked, and known by its fingerprint."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from dashboard.billing.errors import InvalidInput

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1024 * 1024
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import. `stream` gives its unpacked bytes from the beginning; `size` is their number.

    `fingerprint` is their SHA-256: the next run knows the file by it, whatever its name.
    """

    name: str
    stream: BinaryIO
    size: int
    fingerprint: bytes


def format_of(name: str) -> str | None:
    """`csv` or `jsonl` by the ending of the name (`.gz` aside); None where it does not say."""
    return FORMATS.get(Path(name.lower().removesuffix(".gz")).suffix)


@contextmanager
def open_source(name: str, given: BinaryIO) -> Iterator[Source]:
    """Read `given` once for its fingerprint and set it back to its beginning.

    What cannot be set back (a pipe) is first copied into a temporary file. gzip is told by its first two bytes.

    Raises `InvalidInput` for a gzip file that is damaged or cut off.
    """
    with ExitStack() as exits:
        stream = given
        if not given.seekable():
            stream = cast(BinaryIO, exits.enter_context(TemporaryFile()))
            shutil.copyfileobj(given, stream)
            stream.seek(0)
        is_packed = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        if is_packed:
            stream = cast(BinaryIO, exits.enter_context(gzip.GzipFile(fileobj=stream, mode="rb")))
        digest = sha256()
        try:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidInput("file", f"must be a whole gzip file: {error}") from error
        size = stream.tell()
        stream.seek(0)
        yield Source(name, stream, size, digest.digest())
