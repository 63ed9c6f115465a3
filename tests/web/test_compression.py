"""Pages and our own files are gzipped for whoever takes gzip, and mean the same; anything else is sent as it is."""

from __future__ import annotations

from gzip import decompress
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from tests.platform import bearer, log_in, new_tenant

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
STYLES = "/static/css/components.css"


def test_a_page_is_the_same_in_less_bytes(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    owner = log_in(app, tenant_id)
    plain, small = owner.get(f"/tenants/{tenant_id}/usage"), owner.get(f"/tenants/{tenant_id}/usage", headers=GZIP)
    assert small.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in small.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert int(small.headers["Content-Length"]) == len(small.data) < len(plain.data) / 2
    assert "<h1>Usage</h1>" in decompress(small.data).decode()
    assert "Content-Encoding" not in plain.headers


def test_the_size_of_a_page_does_not_tell_what_is_in_it(client: FlaskClient) -> None:
    sizes = {len(client.get("/api/docs", headers=GZIP).data) for _ in range(12)}
    assert len(sizes) > 1


def test_a_file_is_gzipped_and_still_asked_for_again_only_when_it_changed(client: FlaskClient) -> None:
    first, again = client.get(STYLES, headers=GZIP, buffered=True), client.get(STYLES, headers=GZIP, buffered=True)
    assert decompress(first.data) == Path("static/css/components.css").read_bytes()
    assert first.data == again.data
    assert first.headers["ETag"].startswith("W/")
    kept = client.get(STYLES, headers={**GZIP, "If-None-Match": first.headers["ETag"]}, buffered=True)
    assert kept.status_code == 304
    assert kept.data == b""


def test_what_is_small_or_packed_already_is_left_alone(client: FlaskClient) -> None:
    for path in ("/static/favicon.svg", "/static/vendor/inter-l1-400-650.woff2"):
        answer = client.get(path, headers=GZIP, buffered=True)
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers


def test_whoever_refuses_gzip_and_the_api_get_plain_bytes(client: FlaskClient) -> None:
    answer = client.get(STYLES, headers={"Accept-Encoding": "gzip;q=0"}, buffered=True)
    assert "Content-Encoding" not in answer.headers
    _, key = new_tenant()
    answer = client.get("/api/billing/usage", headers={**GZIP, **bearer(key)})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
