"""Pages, styles and scripts go over the wire in about a third of their size, to whoever takes gzip."""

from __future__ import annotations

import secrets
from gzip import GzipFile
from io import BytesIO

from flask import Flask, Response, request

TYPES = frozenset({"text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"})
SMALL = 500  # bytes; below that gzip's own head eats what is saved
LEVEL = 5
# A page holds the token of its forms beside what an address says: without some random bytes its size would tell, guess
# by guess, how alike the two are (the BREACH attack).
PADDING = 100


def register(app: Flask) -> None:
    """Compress what may be compressed; our own files once in a process."""
    files: dict[str, bytes] = {}

    @app.after_request
    def compress(response: Response) -> Response:
        if response.mimetype not in TYPES or response.status_code in {206, 304}:
            return response
        response.vary.add("Accept-Encoding")
        if not request.accept_encodings.quality("gzip") or "Content-Encoding" in response.headers:
            return response
        if request.endpoint == "static":
            _compress_file(response, files)
        elif len(body := response.get_data()) >= SMALL:
            _send(response, gzip_of(body, "x" * secrets.randbelow(PADDING)))
        return response


def gzip_of(body: bytes, name: str = "") -> bytes:
    """The body, gzipped; `name` is an ASCII file name for the head, which nobody reads."""
    buffer = BytesIO()
    with GzipFile(filename=name, mode="wb", compresslevel=LEVEL, fileobj=buffer, mtime=0) as file:
        file.write(body)
    return buffer.getvalue()


def _compress_file(response: Response, files: dict[str, bytes]) -> None:
    tag, _ = response.get_etag()
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) >= SMALL:
        key = f"{request.path} {tag}"
        if key not in files:
            files[key] = gzip_of(body)
        _send(response, files[key])
        # Not the bytes of the file any more, but what they mean.
        response.set_etag(tag or "", weak=True)
        response.headers.pop("Accept-Ranges", None)


def _send(response: Response, body: bytes) -> None:
    response.set_data(body)
    response.headers["Content-Encoding"] = "gzip"
