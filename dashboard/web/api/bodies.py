"""The body of a request to the API, whole and plain, or an error that says why not."""

from __future__ import annotations

import msgspec
from flask import abort, request


def read_body() -> bytes:
    """The request's body. Stops with 413 (too large) or 415 (compressed)."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        abort(415, "Content-Encoding: must be left out; send the body uncompressed.")
    body = request.get_data()
    limit = request.max_content_length
    # A body that comes in chunks says no length before, and Werkzeug stops reading at the limit without a word.
    if request.content_length is None and limit is not None and len(body) >= limit:
        abort(413)
    return body


def decoded_body() -> object:
    """The request's body read as JSON, whatever its media type. Stops with 400, 413 or 415."""
    try:
        return msgspec.json.decode(read_body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        abort(400, f"The body is not valid JSON: {error}.")


def json_body() -> object:
    """The request's JSON. Stops with 400 (what is wrong with it), 413 or 415."""
    if not request.is_json:
        abort(415, "Send JSON, with Content-Type: application/json.")
    return decoded_body()
