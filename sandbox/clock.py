"""The sandbox's time: real time plus an offset that can be moved. Others read the offset from a file."""

from __future__ import annotations

import json
import time
from pathlib import Path


class Clock:
    """Unix seconds of sandbox time. While `pinned` (during an advance) it stands still at that moment."""

    def __init__(self, kept: Path, shared: Path | None) -> None:
        self._kept, self._shared = kept, shared
        self.pinned: float | None = None
        self.offset = float(json.loads(kept.read_text())["offset"]) if kept.exists() else 0.0
        self.move_offset(self.offset)

    def now(self) -> float:
        """Sandbox time."""
        return self.pinned if self.pinned is not None else time.time() + self.offset

    def seconds(self) -> int:
        """Sandbox time in whole seconds, as Stripe stamps objects."""
        return int(self.now())

    def set_now(self, moment: float) -> None:
        """Make it `moment` now."""
        self.move_offset(moment - time.time())

    def move_offset(self, offset: float) -> None:
        """Keep the offset and tell it to those who read the file."""
        self.offset = offset
        for path in (self._kept, self._shared):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft = path.with_name(f"{path.name}.new")
                draft.write_text(json.dumps({"offset": offset}))
                draft.replace(path)
