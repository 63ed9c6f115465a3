"""One client's events on disk: a folder of numbered segments, appended to by callers, read by the sender.

An append is one `write` to a file opened with O_APPEND: once it returned, the kernel has the line and the death of this
process loses nothing. (SQLite was measured too: ten times slower, and a caller in a thousand waits for a checkpoint.)

A folder belongs to whoever holds the lock on its file `lock`; the kernel drops the lock with its holder, so a folder
whose lock can be had was left by a process that died, and may be adopted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self
from uuid import uuid4

from countinghouse_client.errors import SpoolFull

SEGMENT_BYTES = 1_000_000
_FLAGS = os.O_CREAT | os.O_APPEND | os.O_RDWR


@dataclass(slots=True)
class _Segment:
    """One file of whole lines; `size` is how many of its bytes are whole lines."""

    path: Path
    size: int = 0


class Journal:
    """The lines of one folder, oldest first, and how far they were acknowledged.

    Callers append from any thread; one thread reads and acknowledges.
    """

    def __init__(self, folder: Path, lock_file: int) -> None:
        """Take what is there; the caller holds the lock. See `create` and `adopt`."""
        self.folder = folder
        self.events = 0  # not acknowledged yet
        self.bytes = 0
        self._guard = Lock()
        self._lock_file = lock_file
        self._done_file = os.open(folder / "done", os.O_CREAT | os.O_RDWR, 0o600)
        self._done = 0  # bytes of the first segment that were acknowledged
        self._segments: deque[_Segment] = deque()
        self._active = -1  # the file appended to; adopted folders have none
        self._next_number = 1
        self._load()

    @classmethod
    def create(cls, parent: Path) -> Self:
        """A new folder of our own. It gets its name only once it is locked, so that nobody adopts it half made."""
        name = uuid4().hex
        draft = parent / f".{name}"
        draft.mkdir(mode=0o700)
        lock_file = os.open(draft / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        return cls(draft.rename(parent / name), lock_file)

    @classmethod
    def adopt(cls, folder: Path) -> Self | None:
        """The folder of a process that died, or None if it is alive or another one was quicker."""
        try:
            lock_file = os.open(folder / "lock", os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before us may have emptied and removed it in the meantime.
            if os.fstat(lock_file).st_ino == (folder / "lock").stat().st_ino:
                return cls(folder, lock_file)
        except OSError:
            pass
        os.close(lock_file)
        return None

    def append(self, line: bytes, most_bytes: int) -> None:
        """Hand one line to the kernel.

        Raises `SpoolFull` if more than `most_bytes` would then wait here, or the disk takes no more.
        """
        with self._guard:
            if self._lock_file < 0:
                raise RuntimeError("the client is closed")
            if self.bytes + len(line) > most_bytes:
                raise SpoolFull(f"the spool is at its bound: {self.events} events wait in {self.folder}")
            segment = self._writable()
            try:
                written = os.write(self._active, line)
            except OSError as error:
                written, reason = 0, str(error)
            else:
                reason = "the disk is full"
            if written != len(line):
                self._retire()  # nothing may follow the torn line
                raise SpoolFull(f"{self.folder} takes no more: {reason}")
            segment.size += written
            self.bytes += written
            self.events += 1

    def read(self, most_lines: int, most_bytes: int) -> list[bytes]:
        """The oldest lines that were not acknowledged, with their line ends; empty when there are none."""
        with self._guard:
            self._drop_spent()
            if not self._segments:
                return []
            path, start = self._segments[0].path, self._done
            length = min(self._segments[0].size - start, most_bytes)
        with path.open("rb") as file:
            file.seek(start)
            *whole, _ = file.read(length).split(b"\n", most_lines)
        return [line + b"\n" for line in whole]

    def acknowledge(self, lines: list[bytes]) -> None:
        """Forget lines that `read` gave; they must be the oldest ones."""
        size = sum(map(len, lines))
        with self._guard:
            self._done += size
            self.bytes -= size
            self.events -= len(lines)
            self._drop_spent()
            self._note_done()

    def close(self) -> None:
        """Let go of the folder: it is removed when nothing waits in it, else the next process adopts it."""
        with self._guard:
            if not self.events:
                with contextlib.suppress(OSError):  # an empty folder that stays does no harm
                    self._remove()
            self._close_files()

    def abandon(self) -> None:
        """In a forked child: close our copies of the parent's files, so that its death frees the lock."""
        self._close_files()

    def _remove(self) -> None:
        """Remove the folder; the lock last, so that a crash in between leaves one that can be adopted."""
        for file in sorted(self.folder.iterdir(), key=lambda file: file.name == "lock"):
            file.unlink()
        self.folder.rmdir()

    def _close_files(self) -> None:
        self._retire()
        os.close(self._done_file)
        os.close(self._lock_file)
        self._done_file = self._lock_file = -1

    def _retire(self) -> None:
        """Append no more to the present segment."""
        if self._active >= 0:
            os.close(self._active)
            self._active = -1

    def _writable(self) -> _Segment:
        if self._active >= 0 and self._segments and self._segments[-1].size < SEGMENT_BYTES:
            return self._segments[-1]
        path = self.folder / f"{self._next_number:08d}.jsonl"
        try:
            fresh = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            raise SpoolFull(f"{self.folder} takes no more: {error}") from error
        self._retire()
        self._active = fresh
        self._next_number += 1
        self._segments.append(_Segment(path))
        return self._segments[-1]

    def _drop_spent(self) -> None:
        """Remove first segments that are acknowledged whole, but never the one appended to."""
        while self._segments and self._done >= self._segments[0].size:
            if self._active >= 0 and len(self._segments) == 1:
                return
            self._segments.popleft().path.unlink(missing_ok=True)
            self._done = 0

    def _note_done(self) -> None:
        """Only saves work: without the note, what was acknowledged is sent again and known by its keys."""
        name = self._segments[0].path.stem if self._segments else "0" * 8
        with contextlib.suppress(OSError):
            os.pwrite(self._done_file, f"{name} {self._done:012d}\n".encode(), 0)

    def _load(self) -> None:
        """Find the segments and the note of what was acknowledged. A line cut short by the crash was never promised."""
        for path in sorted(self.folder.glob("*.jsonl")):
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            self._segments.append(_Segment(path, whole))
            self.events += content.count(b"\n")
            self.bytes += whole
        name, _, done = os.pread(self._done_file, 64, 0).decode(errors="replace").strip().partition(" ")
        if self._segments and self._segments[0].path.stem == name and done.isdigit():
            first = self._segments[0]
            self._done = min(int(done), first.size)
            self.bytes -= self._done
            self.events -= first.path.read_bytes()[: self._done].count(b"\n")
