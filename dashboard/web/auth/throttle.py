"""A brake on guessing passwords: failures are counted for an address and an email together, and for an address."""

from __future__ import annotations

from hashlib import sha256

import structlog
from redis import Redis
from redis.exceptions import RedisError

WINDOW = 300
PER_ACCOUNT = 8
PER_ADDRESS = 60

log = structlog.get_logger()


class LoginThrottle:
    """Closed for what is left of 5 minutes after too many failures. Without Redis it stays open, and says so."""

    def __init__(self, redis: Redis, address: str, email: str) -> None:
        account = sha256(f"{address} {email.strip().lower()}".encode()).hexdigest()[:32]
        self._redis = redis
        self._limits = {f"login:{account}": PER_ACCOUNT, f"login:{address}": PER_ADDRESS}

    def is_closed(self) -> bool:
        """Whether to refuse without looking."""
        try:
            counts = self._redis.mget(list(self._limits))
        except RedisError as error:
            log.warning("login throttle out of reach", error=str(error))
            return False
        return any(int(count or 0) >= limit for count, limit in zip(counts, self._limits.values(), strict=True))

    def note_failure(self) -> None:
        """Count one."""
        try:
            pipeline = self._redis.pipeline()
            for key in self._limits:
                pipeline.incr(key)
                pipeline.expire(key, WINDOW)
            pipeline.execute()
        except RedisError as error:
            log.warning("login throttle out of reach", error=str(error))

    def clear(self) -> None:
        """The right password forgives the account's failures, not the address's."""
        try:
            self._redis.delete(next(iter(self._limits)))
        except RedisError as error:
            log.warning("login throttle out of reach", error=str(error))
