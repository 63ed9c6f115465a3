"""Why Stripe refuses meter events, in words, and what mends it. The codes are Stripe's (docs: meter error reports)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, and what to do before sending again."""

    text: str
    mend: str


_NO_CUSTOMER = Cause(
    "Stripe does not know the customer: it was deleted there, or belongs to another account.",
    "Give the tenant a customer again (it gets one when it next buys a plan), then resend: the event goes to that one.",
)
_NO_METER = Cause(
    "Stripe has no active meter for this kind of usage.",
    "Reactivate the meter in Stripe's dashboard, or run flask stripe setup, then resend.",
)

CAUSES: dict[str, Cause] = {
    "meter_event_customer_not_found": _NO_CUSTOMER,
    "meter_event_no_customer_defined": _NO_CUSTOMER,
    "archived_meter": _NO_METER,
    "no_meter": _NO_METER,
    "timestamp_too_far_in_past": Cause(
        "The usage was older than 35 days when Stripe looked at it.",
        "Resend: what is too old for a meter becomes a proposed invoice item.",
    ),
    "timestamp_in_future": Cause(
        "The usage lay more than five minutes in the future for Stripe.",
        "Set this server's clock right, then resend.",
    ),
    "meter_event_invalid_value": Cause(
        "Stripe did not take the value as a number.",
        "Look at how the meter reads its value (its key must be “value”), then resend.",
    ),
    "meter_event_value_not_found": Cause(
        "Stripe found no value in the event.",
        "Look at how the meter reads its value (its key must be “value”), then resend.",
    ),
    "meter_event_value_too_many_digits": Cause(
        "The value has more than 15 digits.",
        "Correct the usage in the ledger; the difference is then told by itself.",
    ),
    "unconfirmed": Cause(
        "It was sent, the answer was lost, and Stripe has forgotten its identifier since: it may count there already.",
        "Compare the hour with Stripe's (reconciliation does), and resend only if it is missing there.",
    ),
}

UNKNOWN = Cause("Stripe refused it.", "Read Stripe's words, mend what they name, then resend.")


def cause_of(code: str | None) -> Cause:
    """The cause behind a code of Stripe's; one that is not known here is told in Stripe's own words."""
    return CAUSES.get(code or "", UNKNOWN)
