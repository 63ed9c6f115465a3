"""Contacts: one by one, or many out of a file."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

from examples.platform.tenants import Actor, BadField, Fields


def create_contact(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Create a contact; one whose number is known stays as it is and costs nothing."""
    phone, name = fields.text("phone"), fields.text("name")
    if actor.tenant.store.add("contact", {"name": name}, phone) is None:
        return {"contact": phone, "is_new": False}
    actor.tenant.usage.record("CONTACT_CREATED", user=actor.user, resource=("contact", phone), occurred_at=actor.at)
    return {"contact": phone, "is_new": True}


def import_contacts(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Create the contacts of a CSV file (`phone,name`). One report for all: what is reported is what is billed."""
    content, identifier = fields.text("csv"), uuid4().hex[:12]
    rows = list(csv.DictReader(io.StringIO(content)))
    if any(not row.get("phone") or not row.get("name") for row in rows):
        raise BadField("csv must have the columns phone and name, both filled in")
    path = actor.tenant.media / "imports" / f"{identifier}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    # The block reports when it ends well; what it learns on the way it puts into the event.
    with actor.tenant.usage.tracks("CONTACT_CREATED", user=actor.user, resource=("import", identifier)) as event:
        event.occurred_at = actor.at
        event.quantity = sum(
            actor.tenant.store.add("contact", {"name": row["name"]}, row["phone"]) is not None for row in rows
        )
        event.metadata = {"rows": len(rows)}
    return {"import": identifier, "created": event.quantity}
