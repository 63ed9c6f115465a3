"""The vendored files are the ones that are listed, and templates keep the rules of the page policy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
LISTED = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (ROOT / "static/vendor/README.md").read_text(), re.M)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def test_every_vendored_file_is_listed() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "static/vendor").glob("*") if path.suffix != ".md"}
    found -= {"static/vendor/licences"}
    assert found <= {name for name, _ in LISTED}


@pytest.mark.parametrize(("name", "digest"), LISTED, ids=[name for name, _ in LISTED])
def test_a_vendored_file_is_as_it_was_published(name: str, digest: str) -> None:
    assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_has_nothing_inline(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\shx-on|\son\w+=|javascript:|js:", source)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_htmx_request_has_a_way_without_scripts(path: Path) -> None:
    source = path.read_text()
    for tag in re.findall(r"<\w+[^>]*\shx-get=[^>]*>", source):
        target = re.findall(r'hx-get="([^"]+)"', tag)[0]
        assert f'action="{target}"' in tag or f'href="{target}"' in source, tag


def test_every_template_compiles(app: Flask) -> None:
    for name in app.jinja_env.list_templates(extensions=["html"]):
        assert app.jinja_env.get_template(name) is not None


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    sprite = (ROOT / "static/vendor/tabler-icons.svg").read_text()
    used = {name for path in TEMPLATES for name in re.findall(r'icon\("([\w-]+)"', path.read_text())}
    assert len(used) > 8
    assert {name for name in used if f'id="{name}"' not in sprite} == set()
