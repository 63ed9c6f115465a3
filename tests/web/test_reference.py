"""The API reference for people."""

from __future__ import annotations

import re
import shlex
from html import unescape

from flask.testing import FlaskClient

from tests.platform import bearer, new_tenant, set_up_stripe


def test_the_reference_shows_every_call_to_anybody(client: FlaskClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    for path, methods in client.get("/api/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            assert f'<article class="card" id="{operation["operationId"]}"' in page.text
            assert f'href="#{operation["operationId"]}"' in page.text
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert operation["summary"].rstrip(".") in unescape(page.text)
    assert "usage:write" in page.text


def test_the_reference_carries_no_script_or_style_of_its_own(client: FlaskClient) -> None:
    page = client.get("/api/docs").text
    assert re.findall(r"<script(?! src=\"/static/)|<style|\sstyle=|\son[a-z]+=", page) == []
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', page) == []


def test_the_examples_of_the_reference_work(client: FlaskClient) -> None:
    """Each curl line is taken apart and sent: what it names must exist, so nothing but a missing row may be wrong."""
    _, key = new_tenant()
    set_up_stripe()
    page = unescape(client.get("/api/docs").text)
    examples = re.findall(r"<code>(curl .*?)</code></pre>", page, re.DOTALL)
    assert len(examples) >= 9
    for example in examples:
        _, *words = shlex.split(example.replace("\\\n", " ").replace("$KEY", key))
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        url = next(word for word in words if word.startswith("http"))
        headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
        body = words[words.index("-d") + 1] if "-d" in words else None
        if "Authorization" not in headers:
            continue  # Stripe's and Twilio's: they carry signatures
        assert headers["Authorization"] == bearer(key)["Authorization"]
        path = url.split("5000", 1)[1]
        answer = client.open(path, method=method, headers=headers, data=body)
        # A fresh tenant has nothing under the ids of the examples, and no subscription to change.
        needs_more = re.search(r"/\d+", path) or (path.startswith("/api/billing/") and "/usage" not in path)
        assert answer.status_code in {200, 201, 202} or (needs_more and answer.status_code in {404, 409}), example
