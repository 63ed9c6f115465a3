"""The spool of one tenant: this client's journal, those it adopted from dead processes, and what was refused."""

from __future__ import annotations

from pathlib import Path

from countinghouse_client.journal import Journal
from countinghouse_client.refused import RefusedFile


class Spool:
    """`<folder>/tenant-<id>/<one folder a process>`; several processes may share `folder`."""

    def __init__(self, folder: Path, tenant: str, most_bytes: int) -> None:
        self._folder = folder / f"tenant-{tenant}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most_bytes = most_bytes
        self.refused = RefusedFile(self._folder / "refused.jsonl")
        self._own = Journal.create(self._folder)
        self._adopted: list[Journal] = []
        self.adopt()

    def append(self, line: bytes) -> None:
        """Take one event; `SpoolFull` when it does not fit. What others left and what was refused takes room too."""
        taken = self.refused.bytes + sum(journal.bytes for journal in self._adopted)
        self._own.append(line, self._most_bytes - taken)

    @property
    def events(self) -> int:
        """How many events wait."""
        return self._own.events + sum(journal.events for journal in self._adopted)

    def adopt(self) -> None:
        """Take over what dead processes left. After the start only the sender calls it."""
        held = {journal.folder for journal in (self._own, *self._adopted)}
        for folder in sorted(self._folder.iterdir()):
            if folder.is_dir() and not folder.name.startswith(".") and folder not in held:
                journal = Journal.adopt(folder)
                if journal is not None:
                    self._adopted = [*self._adopted, journal]

    def oldest(self) -> Journal | None:
        """A journal in which something waits: the adopted ones first. Lets go of adopted ones that are empty."""
        for journal in self._adopted:
            if journal.events:
                return journal
            self._adopted = [each for each in self._adopted if each is not journal]
            journal.close()
        return self._own if self._own.events else None

    def close(self) -> None:
        """Let go of everything; what waits is the next process's."""
        for journal in (self._own, *self._adopted):
            journal.close()

    def abandon(self) -> None:
        """In a forked child: this is the parent's."""
        for journal in (self._own, *self._adopted):
            journal.abandon()
