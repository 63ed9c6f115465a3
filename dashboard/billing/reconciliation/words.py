"""Findings in words, for pages and the command: what is wrong, and what the one repair does."""

from __future__ import annotations

from datetime import UTC

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.reconciliation.parts import Kind, Repair
from dashboard.models import CheckState, ReconciliationCheck, ReconciliationFinding

KIND_LABELS = {
    Kind.DROPPED: "Dropped batch",
    Kind.DOUBLED: "Doubled batch",
    Kind.UNEXPLAINED: "Unexplained at Stripe",
    Kind.REFUSED: "Refused batch",
    Kind.ROLLUP: "Hourly total is wrong",
    Kind.CLAIM: "Claim without a batch",
    Kind.INVOICE: "Invoice differs",
}

REPAIR_WORDS = {
    Repair.RESEND: "Sends the batch again under a new identifier; the old one counts no more.",
    Repair.MEND: "Sends the batch again under a new identifier, with the tenant's customer and meter as they are now.",
    Repair.CONFIRM: "Notes that Stripe has the batch. Nothing is sent.",
    Repair.CANCEL: "Takes the extra batch back at Stripe.",
    Repair.ADJUST: "Sends the difference to the same hour.",
    Repair.REBUILD: "Adds the hour up again from the ledger; the next sync tells Stripe the difference.",
    Repair.RECLAIM: "Claims the missing units anew; the next sync sends them.",
    Repair.INVOICE_ITEM: "Proposes an invoice item for the missing units. Staff accept or dismiss it.",
    Repair.CREDIT_NOTE: "Proposes a credit note for the extra units. Staff accept or dismiss it.",
}

STATE_WORDS = {
    "equal": "Equal",
    "different": "Different",
    "sending": "Being sent",
    "settling": "Stripe is adding up",
    "period": "Period runs",
    "invoice": "Waits for the invoice",
    "draft": "Invoice is a draft",
}


def describe_finding(finding: ReconciliationFinding) -> str:
    """What is wrong, with hour, batch and numbers, as a sentence."""
    kind = USAGE_TYPES[finding.usage_type]
    difference = _units(abs(finding.expected - finding.found), kind.unit, kind.units_label)
    hour = f"{finding.hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if finding.hour else ""
    batch = f"batch {finding.identifier}"
    match finding.kind:
        case Kind.DROPPED:
            return f"Stripe took {batch} for the hour {hour} and does not count it: {difference} missing."
        case Kind.DOUBLED:
            return f"Stripe counts {batch} once too often in the hour {hour}: {difference} too many."
        case Kind.REFUSED if finding.repair == Repair.CONFIRM:
            return f"We hold {batch} of the hour {hour} for refused; Stripe counts its {_of(finding.found, finding)}."
        case Kind.REFUSED:
            return f"Stripe refused {batch} of the hour {hour}: {difference} missing."
        case Kind.ROLLUP:
            return (
                f"The ledger holds {finding.expected:,} for the hour {hour}, its hourly total says {finding.found:,}."
            )
        case Kind.CLAIM:
            return f"{finding.expected:,} are claimed for the hour {hour}, its batches tell {finding.found:,}."
        case Kind.INVOICE:
            return f"The invoice bills {finding.found:,}; by ledger and proposals it should bill {finding.expected:,}."
    more = "too many" if finding.found > finding.expected else "missing"
    return (
        f"Stripe's hour {hour} holds {finding.found:,}, it was told {finding.expected:,}: {difference} {more}, "
        "and no batch explains it."
    )


def describe_repair(finding: ReconciliationFinding) -> str:
    """What its repair does, as a sentence."""
    return REPAIR_WORDS[Repair(finding.repair)]


def describe_check(check: ReconciliationCheck) -> str:
    """The state of a check in a word or two."""
    if check.state == CheckState.EQUAL and check.proposed:
        return "Settled apart"
    return STATE_WORDS[check.reason or check.state]


def _of(quantity: int, finding: ReconciliationFinding) -> str:
    kind = USAGE_TYPES[finding.usage_type]
    return _units(quantity, kind.unit, kind.units_label)


def _units(quantity: int, unit: str, units: str) -> str:
    return f"{quantity:,} {unit if quantity == 1 else units}"
