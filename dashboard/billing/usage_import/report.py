"""The refused lines of an import, written to a file as they come and counted by what is wrong with them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from dashboard.billing.errors import InvalidInput
from dashboard.billing.usage_import.checking import Refusal

SHOWN_LINES = 20
# Messages may name ids, so there may be many: beyond these they are counted together.
MAX_REASONS = 1_000
OTHER = ("other fields", "other reasons")


class RefusalReport:
    """Takes refusals, keeps the first 20 and counts by field and message; memory does not grow with their number.

    With a `path` each goes into that file too: CSV where its name ends in .csv, JSON Lines otherwise. The first
    `add` makes the file (an earlier one is written over), so that wrong usage leaves an earlier report alone.
    """

    def __init__(self, path: Path | None) -> None:
        self.first: list[Refusal] = []
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._path = path
        self._is_csv = path is not None and path.suffix.lower() == ".csv"
        self._file: TextIO | None = None

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def add(self, refusals: Iterable[Refusal]) -> None:
        """Take these, and hand them to the operating system before returning.

        Raises `InvalidInput` when the file cannot be made.
        """
        if self._path and not self._file:
            self._file = self._made(self._path)
        for refusal in refusals:
            reason = (refusal.field, refusal.message)
            is_known = reason in self._reasons or len(self._reasons) < MAX_REASONS
            self._reasons[reason if is_known else OTHER] += 1
            if len(self.first) < SHOWN_LINES:
                self.first.append(refusal)
            self._write(refusal)
        if self._file:
            self._file.flush()

    def reasons(self) -> list[tuple[tuple[str, str], int]]:
        """((field, message), lines), the most frequent first."""
        return self._reasons.most_common()

    def _made(self, path: Path) -> TextIO:
        try:
            file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise InvalidInput("report", f"cannot be written: {error.strerror}") from error
        if self._is_csv:
            csv.writer(file).writerow(("line", "field", "message"))
        return file

    def _write(self, refusal: Refusal) -> None:
        if self._file is None:
            return
        if self._is_csv:
            csv.writer(self._file).writerow((refusal.line, refusal.field, refusal.message))
        else:
            self._file.write(json.dumps(asdict(refusal), ensure_ascii=False) + "\n")
