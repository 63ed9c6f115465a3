"""What becomes of a text or call: the number it goes to says so.

Twilio's own magic numbers are refused as there (https://www.twilio.com/docs/iam/test-credentials). Of all others:

| `To` of a text ends in | it comes to |
| --- | --- |
| 0007 | `failed` in the answer itself (error 30002) |
| 0008 | `queued`, then `failed` (30001): it never leaves Twilio |
| 0009 | `sent`, then `undelivered` (30003) |
| anything else | `sent`, then `delivered` |

| `To` of a call ends in | it comes to |
| --- | --- |
| 0011, 0012, 0013 | `busy`, `no-answer`, `failed` |
| 0014 | `in-progress` until it is ended through the API |
| 0015 | `ringing` until it is canceled through the API |
| anything else | `completed`, after as many seconds as its last three digits say |
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One status on the way, with the error code that comes with it or the length of a call that ended."""

    status: str
    error: int | None = None
    seconds: int | None = None


TEXT_REFUSALS = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: {to}"),
    "+15005550002": (21612, "The 'To' phone number: {to}, is not currently reachable."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region of {to}."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient {to}"),
    "+15005550009": (21614, "'To' number: {to} is not a mobile number"),
}
CALL_REFUSALS = {
    "+15005550001": (21217, "Phone number {to} does not appear to be valid"),
    "+15005550002": (21214, "'To' phone number {to} cannot be reached"),
    "+15005550003": (21215, "Account not authorized to call {to}."),
    "+15005550004": (21216, "Call blocked: {to} is on the list of numbers not to call."),
}


def steps_of_text(to: str) -> tuple[Step, ...]:
    """The statuses of a text, the one it is answered with first."""
    if to.endswith("0007"):
        return (Step("failed", 30002),)
    if to.endswith("0008"):
        return Step("queued"), Step("failed", 30001)
    if to.endswith("0009"):
        return Step("queued"), Step("sent"), Step("undelivered", 30003)
    return Step("queued"), Step("sent"), Step("delivered")


def steps_of_call(to: str) -> tuple[Step, ...]:
    """The statuses of a call, the one it is answered with first."""
    begun = (Step("queued"), Step("initiated"))
    ends = {"0011": "busy", "0012": "no-answer", "0013": "failed"}
    if to[-4:] in ends:
        return *begun, Step(ends[to[-4:]])
    if to.endswith("0014"):
        return *begun, Step("ringing"), Step("in-progress")
    if to.endswith("0015"):
        return *begun, Step("ringing")
    return *begun, Step("ringing"), Step("in-progress"), Step("completed", seconds=int(to[-3:]))
