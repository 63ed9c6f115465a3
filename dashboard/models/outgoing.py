"""What becomes of something we ask Twilio to do."""

from __future__ import annotations

from enum import StrEnum


class OutgoingState(StrEnum):
    """Sending (outcome not known yet), accepted by Twilio with a SID, or refused by it."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
