"""Each entry of a tenant's story as a line: what happened in a sentence, how it stands, and where to read more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import url_for

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.plans.plans import plan_name
from dashboard.billing.staff.story_sources import DAYS, KINDS, SOURCES
from dashboard.billing.staff.tenant_story import Entry
from dashboard.billing.tenants.audit import ACTIONS
from dashboard.web.formats import day, moment, money, number

_KIND_OF = {source.what: source.kind for source in SOURCES}
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, more of it, and a state as `badge` knows them."""

    title: str
    more: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `when` is a day for what is a day's sum."""

    when: str
    kind: str
    title: str
    more: str
    state: str
    url: str

    @property
    def state_label(self) -> str:
        """The state in a word or two."""
        return self.state.replace("_", " ").capitalize()


def line_of(entry: Entry, tenant_id: int, now: datetime) -> Line:
    """An entry in words. A day's sum stands at the end of its day, which may not have come yet."""
    said = _SENTENCES[entry.what](entry.data, entry.ref)
    when = day(date.fromisoformat(entry.data["day"][:10])) if entry.what in DAYS else moment(min(entry.at, now))
    more = f"{said.more} or more".lstrip() if entry.data.get("is_cut") else said.more
    return Line(when, KINDS[_KIND_OF[entry.what]], said.title, more, said.state, _page_of(entry, tenant_id))


def _subscription(data: Data, _: str) -> Said:
    before = data.get("previous")
    plan = _plan(data)
    if before is None:
        return Said(f"Subscribed to {plan}", state=data["status"])
    if (before["plan"], before["interval"]) != (data["plan"], data["interval"]):
        return Said(f"Plan changed from {_plan(before)} to {plan}", state=data["status"])
    if before["status"] != data["status"]:
        return Said(
            f"The subscription is {_words(data['status'])}, before {_words(before['status'])}", plan, data["status"]
        )
    if data["cancel_at"]:
        return Said(f"{plan} ends on {day(datetime.fromisoformat(data['cancel_at']))}", state="canceled")
    return Said(f"{plan} goes on: its end was taken back", state=data["status"])


def _state(data: Data, _: str) -> Said:
    before = data.get("previous") or {}
    named = plan_name(None if data["plan"] == "other" else data["plan"])
    if before.get("access") == data["access"]:
        return Said(f"Billing state: {named}, subscription {_words(data['status'])}")
    if data["access"] == "read_only":
        return Said("Sending was stopped", f"subscription {_words(data['status'])}", "unpaid")
    if data["access"] == "grace":
        until = data.get("read_only_at")
        more = f"until {moment(datetime.fromisoformat(until))}" if until else ""
        return Said("A payment is overdue: the grace began", more, "past_due")
    return Said("Billing is in order: everything is open", named, "paid")


def _event(data: Data, ref: str) -> Said:
    return Said(data["type"], f"{ref}, attempts: {number(data['attempts'])}", data["state"])


def _attempt(data: Data, _: str) -> Said:
    done = "succeeded" if data["status"] == "succeeded" else _words(data["status"])
    state = "paid" if data["status"] == "succeeded" else data["status"]
    return Said(f"Payment of {money(data['amount'], data['currency'])} {done}", data["failure"] or "", state)


def _refused(data: Data, _: str) -> Said:
    what = _type(data["usage_type"])
    hour = moment(datetime.fromisoformat(data["bucket"]))
    return Said(f"Stripe refused {number(data['value'])} of {what}, {hour}", data["error"] or "", "failed")


def _threshold(data: Data, _: str) -> Said:
    label = _type(data["usage_type"])
    return Said(
        f"{data['percent']}% of what the plan includes of {label} is used",
        f"{number(data['used'])} of {number(data['included'])}",
    )


def _import(data: Data, _: str) -> Said:
    more = f"{number(data['new'])} new, {number(data['refused'])} refused, by {data['by']}"
    return Said(f"Import of {data['file']}", more, data["state"])


_SENTENCES: dict[str, Callable[[Data, str], Said]] = {
    "created": lambda data, _: Said("The account was made", data["name"]),
    "subscription": _subscription,
    "state": _state,
    "checkout": lambda data, _: Said(f"Checkout begun: {_plan(data)}", state=data["state"]),
    "invoice": lambda data, _: Said(
        f"Invoice {data['number'] or '(draft)'}: {money(data['total'], data['currency'])}", state=data["status"]
    ),
    "credit_note": lambda data, _: Said(f"Credit note {data['number']}: {money(data['total'], data['currency'])}"),
    "attempt": _attempt,
    "refund": lambda data, _: Said(f"Refund of {money(data['amount'], data['currency'])}", data["status"] or ""),
    "event": _event,
    "run": lambda data, _: Said(
        f"Meter sync asked for by {data['by']}",
        f"{number(data['sent'])} sent, {number(data['rejected'])} refused",
        data["state"],
    ),
    "batches": lambda data, _: Said(
        "Meter events for Stripe", f"{number(data['sent'])} sent of {number(data['batches'])}"
    ),
    "refused": _refused,
    "late": lambda data, _: Said(
        "Usage of this day that came more than an hour later", f"actions: {number(data['events'])}"
    ),
    "corrected": lambda data, _: Said(
        "Usage corrected or taken back on this day", f"actions: {number(data['events'])}"
    ),
    "import": _import,
    "threshold": _threshold,
    "cap": lambda data, ref: Said(f"Cap of {number(data['quantity'])} set for {_type(ref)}", f"by {data['by']}"),
    "budget": lambda data, _: Said(
        f"Budget of {money(data['amount'], data['currency'])} a period set", f"by {data['by']}"
    ),
    "delivery": lambda data, _: Said(
        f"{data['type']} did not reach the tenant's endpoint", f"attempts: {number(data['attempts'])}", "failed"
    ),
    "act": lambda data, _: Said(
        ACTIONS.get(data["action"], data["action"]), f"{data['subject']}, by {data['actor']}".lstrip(", ")
    ),
}


def _page_of(entry: Entry, tenant_id: int) -> str:
    """Where to read more; a page of the tenant opens in a view."""
    data, what = entry.data, entry.what
    if what == "event":
        return url_for("staff.webhook", event_id=entry.ref)
    if what == "run":
        return url_for("staff.sync", sync_id=int(entry.ref))
    if what in {"invoice", "credit_note", "attempt", "refund"}:
        return url_for("tenant.invoice", tenant_id=tenant_id, invoice_id=data.get("invoice", entry.ref))
    if what == "delivery":
        return url_for("tenant.webhook_delivery", tenant_id=tenant_id, delivery_id=int(entry.ref))
    if what in {"subscription", "state", "checkout"}:
        return url_for("tenant.subscription", tenant_id=tenant_id)
    if what == "act":
        return url_for("staff.tenant", tenant_id=tenant_id, kind="audit")
    pages = {"batches": "staff.syncs", "refused": "staff.meter_errors", "created": "staff.tenants"}
    return url_for(pages[what]) if what in pages else url_for("tenant.usage", tenant_id=tenant_id)


def _plan(data: Data) -> str:
    name = plan_name(data["plan"])
    return f"{name}, {data['interval']}" if data.get("interval") else name


def _type(name: str) -> str:
    return USAGE_TYPES[name].label if name in USAGE_TYPES else name


def _words(status: str) -> str:
    return status.replace("_", " ")
