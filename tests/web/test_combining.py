"""Small writes of requests that wait at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from dashboard.web.combining import Combined
from tests.sandbox_server import wait_until


class Writer:
    """Writes numbers, the first of them not before it may; refuses every write that holds 13."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.is_busy, self.may_go_on = threading.Event(), threading.Event()

    def write(self, numbers: Sequence[int]) -> list[str]:
        if not self.is_busy.is_set():
            self.is_busy.set()
            assert self.may_go_on.wait(10)
        self.writes.append(sorted(numbers))
        if 13 in numbers:
            raise ValueError("13")
        return [f"wrote {number}" for number in numbers]


def write_at_once(writer: Writer, first: int, *others: int) -> list[str]:
    """One number, and others that come while it is being written: what became of each."""
    combined = Combined(writer.write)

    def write(number: int) -> str:
        try:
            return combined.write(number)
        except ValueError as error:
            return f"refused {error}"

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(write, first)]
        assert writer.is_busy.wait(10)
        answers += [pool.submit(write, number) for number in others]
        wait_until(lambda: combined.waiting == len(others), "all others to wait")
        writer.may_go_on.set()
        return [answer.result(10) for answer in answers]


def test_what_comes_while_one_is_written_is_written_together() -> None:
    writer = Writer()
    assert write_at_once(writer, 1, 2, 3, 4) == ["wrote 1", "wrote 2", "wrote 3", "wrote 4"]
    assert writer.writes == [[1], [2, 3, 4]]


def test_one_that_fails_is_nobody_elses_fault() -> None:
    assert write_at_once(Writer(), 1, 2, 13, 4) == ["wrote 1", "wrote 2", "refused 13", "wrote 4"]
