"""The words of notices and mails, from templates, in the locale and zone of the tenant they are for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import current_app

from dashboard.config import Settings
from dashboard.models import Notice

_TIMES = ("period_start", "period_end", "next_payment_attempt")


@dataclass(frozen=True, slots=True)
class Words:
    """What a notice says: a line, and a sentence or two more."""

    title: str
    text: str


def words_of(notice: Notice) -> Words:
    """What a notice says, as plain text: its template's first line, and the rest."""
    data = {name: _read(name, value) for name, value in notice.data.items()}
    title, _, text = render(f"notices/{notice.kind}.txt", **data).partition("\n")
    return Words(title.strip(), " ".join(text.split()))


def render(template: str, **values: Any) -> str:
    """A template without what every page has: no reader is logged in to a mail."""
    return current_app.jinja_env.get_template(template).render(**values)


def link_to(settings: Settings, endpoint: str, **values: Any) -> str:
    """The address of one of our pages, as people reach it."""
    parts = urlsplit(settings.public_url)
    root = parts.path.rstrip("/") + "/"
    adapter = current_app.url_map.bind(parts.netloc, root, url_scheme=parts.scheme)
    return adapter.build(endpoint, values, force_external=True)


def page_of(notice: Notice) -> tuple[str, dict[str, Any]]:
    """The endpoint, and its values, of the page that shows what a notice is about."""
    where: dict[str, Any] = {"tenant_id": notice.tenant_id}
    if notice.data.get("invoice_id"):
        return "tenant.invoice", {**where, "invoice_id": notice.data["invoice_id"]}
    if notice.kind.startswith("usage_"):
        return "tenant.usage", {**where, "period": notice.data["period_start"][:10]}
    if notice.kind == "sending_stopped":
        return "tenant.plans", where
    return "tenant.alerts", where


def _read(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in _TIMES and value else value
