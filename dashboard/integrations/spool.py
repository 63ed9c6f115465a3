"""Lines on disk that outlive the process: appended by many threads, taken as whole files, each by one taker.

A file belongs to the process that holds its lock (flock). The lock ends with the process however it ends, so what a
killed one left is free to be taken by anyone. A file's name is its id for life.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

SUFFIX = ".spool"
DRAFT = ".new"


@dataclass(frozen=True, slots=True)
class Segment:
    """A file nobody writes to any more: its id and its whole lines."""

    id: str
    lines: list[bytes]


class Spool:
    """The spool files of a folder, one of them this process' own while it has something to write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._own: int | None = None
        this = weakref.ref(self)

        def forget_parents_file() -> None:
            if (spool := this()) is not None:
                spool._begin_anew()

        os.register_at_fork(after_in_child=forget_parents_file)

    def append(self, line: bytes) -> None:
        """Write one line (without its end) with one system call; a kill right after does not lose it.

        Raises `OSError` when it could not be written whole.
        """
        with self._lock:
            if self._own is None:
                self._own = self._create()
            if os.write(self._own, line + b"\n") != len(line) + 1:
                # The torn line has no end, so a taker passes over it; nothing may follow it in this file.
                os.close(self._own)
                self._own = None
                raise OSError("the spool's disk is full")

    def close_own(self) -> None:
        """Give this process' file up: from now on it can be taken, and the next line begins another."""
        with self._lock:
            if self._own is not None:
                os.close(self._own)
                self._own = None

    def _create(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_uid != os.geteuid():
            raise PermissionError(f"{self._folder} belongs to another user")
        while True:
            # It gets its name once it is locked: before, a taker could think that it is nobody's.
            draft = self._folder / f"{uuid4().hex}{DRAFT}"
            own = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(own, fcntl.LOCK_EX)
            try:
                draft.rename(draft.with_suffix(SUFFIX))
            except FileNotFoundError:  # taken for abandoned in the moment before it was locked
                os.close(own)
            else:
                return own

    def _begin_anew(self) -> None:
        """In a forked child: the file and a lock that a thread of the parent may hold are the parent's."""
        if self._own is not None:
            os.close(self._own)
        self._own, self._lock = None, threading.Lock()


def list_files(folder: Path) -> list[Path]:
    """Every file of a spool there is now; try each with `taken`."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def delete_abandoned_drafts(folder: Path) -> None:
    """Delete the empty files of writers that were killed before they had named them."""
    for draft in folder.glob(f"*{DRAFT}"):
        try:
            file = os.open(draft, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # its writer is about to name it
        finally:
            os.close(file)


@contextmanager
def taken(path: Path) -> Iterator[Segment | None]:
    """Hold a file alone; None when its writer lives or another has it. It is deleted if the block ends well."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if os.fstat(file).st_nlink == 0:  # its taker deleted it after we opened it
            yield None
            return
        content = path.read_bytes()
        yield Segment(path.stem, [line for line in content.split(b"\n")[:-1] if line])
        path.unlink()
    finally:
        os.close(file)
