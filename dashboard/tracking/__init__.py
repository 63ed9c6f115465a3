"""Usage of services in this process: `@tracks_usage(...)` for a function, `with track_usage(...)` for a block.

Both record in the caller's own transaction and only when the action ended without an exception: action and usage
commit or roll back together. See docs/tracking.md.
"""

from dashboard.tracking.block import TrackedUsage, track_usage
from dashboard.tracking.decorator import Call, tracks_usage

__all__ = ["Call", "TrackedUsage", "track_usage", "tracks_usage"]
