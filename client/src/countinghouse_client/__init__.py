"""Reports usage to Countinghouse: nothing lost, nothing twice, never in the way."""

from countinghouse_client.client import Countinghouse, Stats
from countinghouse_client.errors import InvalidSignature, SpoolFull
from countinghouse_client.event import USAGE_TYPES
from countinghouse_client.refused import Refused
from countinghouse_client.tracking import Tracked
from countinghouse_client.webhooks import verify_webhook

__all__ = [
    "USAGE_TYPES",
    "Countinghouse",
    "InvalidSignature",
    "Refused",
    "SpoolFull",
    "Stats",
    "Tracked",
    "verify_webhook",
]
__version__ = "0.1.0"
