"""The time of day, in UTC. With the sandbox, its clock is ours too, so that a month can pass in a second."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path


class Clock:
    """Real time, plus the offset that the sandbox writes into a file.

    Without a file it is plain UTC. The file is read again when its change time differs: one `stat` a look.
    """

    def __init__(self, offset_file: Path | None = None) -> None:
        self._file = offset_file
        self._offset = 0.0
        self._stamp: tuple[int, int] | None = None

    def now(self) -> datetime:
        """The present moment as an aware UTC datetime."""
        return datetime.fromtimestamp(time.time() + self._current_offset(), UTC)

    def _current_offset(self) -> float:
        if self._file is None:
            return self._offset
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._offset = float(json.loads(self._file.read_text())["offset"])
                self._stamp = stamp
        except FileNotFoundError:
            self._offset = 0.0
        return self._offset
