"""What can be wrong with a request to the domain, in words for the one who made it."""

from __future__ import annotations


class InvalidInput(ValueError):
    """A field holds what it may not. `field` is its path (`events[3].quantity`), `message` says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class IdempotencyConflict(Exception):
    """The key was used before with a different body. `key` names it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"idempotency key {key!r} was used before with a different body; use a new key")
        self.key = key


class AlreadyCorrected(Exception):
    """The event was corrected before, and one correction is all there is. `event_id` names the original."""

    def __init__(self, event_id: int) -> None:
        super().__init__(f"event {event_id} has been corrected before; an event is corrected once")
        self.event_id = event_id


class NotFound(LookupError):
    """There is no such thing for this tenant."""


class NotNow(Exception):
    """It cannot be done in the state things are in; the message says why, and what to do first."""


class PaymentOverdue(Exception):
    """The tenant reads only until it has paid, so the action must not happen. `invoice_id` names what is owed."""

    def __init__(self, status: str, invoice_id: str | None) -> None:
        owed = f"invoice {invoice_id} is not paid" if invoice_id else f"the subscription is {status}"
        super().__init__(f"sending is stopped until billing is in order: {owed}")
        self.status = status
        self.invoice_id = invoice_id
