"""Usage events as services send them: keys in order of time, as the client makes them, or random ones."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES

TYPES = [name for name in USAGE_TYPES if name not in LEVELS]
USERS = 200
CAMPAIGNS = ("reminders", "offers", "service", "billing")


class Traffic:
    """Draws events of all sum types, of many users and resources, over the last two hours."""

    def __init__(self, seed: int = 20_260) -> None:
        self.random = random.Random(seed)

    def ordered_key(self) -> str:
        """A UUIDv7: 48 bits of time, then random ones (RFC 9562)."""
        milliseconds = time.time_ns() // 1_000_000
        number = (milliseconds << 80) | (7 << 76) | (self.random.getrandbits(12) << 64) | (2 << 62)
        return str(uuid.UUID(int=number | self.random.getrandbits(62)))

    def random_key(self) -> str:
        """A UUIDv4: nothing about it is in order."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def event(self, *, key: str | None = None, now: datetime | None = None) -> dict[str, Any]:
        """One event."""
        moment = (now or datetime.now(UTC)) - timedelta(seconds=self.random.random() * 7_200)
        return {
            "usage_type": self.random.choice(TYPES),
            "quantity": self.random.randint(1, 9),
            "idempotency_key": key or self.ordered_key(),
            "occurred_at": moment.isoformat(),
            "user_id": f"user-{self.random.randrange(USERS)}",
            "resource_type": "conversation",
            "resource_id": f"c-{self.random.getrandbits(40):x}",
            "metadata": {"campaign": self.random.choice(CAMPAIGNS), "tokens": self.random.randrange(2_000)},
        }
