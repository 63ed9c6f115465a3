"""The spool: what a thread wrote is taken once, whole, and never while its writer lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from dashboard.integrations.spool import DRAFT, Spool, delete_abandoned_drafts, list_files, taken


def take(folder: Path) -> list[bytes]:
    lines = []
    delete_abandoned_drafts(folder)
    for path in list_files(folder):
        with taken(path) as segment:
            lines += segment.lines if segment else []
    return lines


def test_lines_of_many_threads_are_taken_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    def write(name: int) -> None:
        for n in range(200):
            spool.append(f"{name}-{n}".encode())

    threads = [Thread(target=write, args=[name]) for name in range(8)]
    for thread in threads:
        thread.start()
    found: list[bytes] = []
    while any(thread.is_alive() for thread in threads):
        spool.close_own()
        found += take(tmp_path)
    spool.close_own()
    found += take(tmp_path)
    assert sorted(found) == sorted(f"{name}-{n}".encode() for name in range(8) for n in range(200))
    assert list(tmp_path.iterdir()) == []


def test_a_live_writers_file_is_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"mine")
    assert take(tmp_path) == []
    spool.close_own()
    assert take(tmp_path) == [b"mine"]


def test_a_draft_goes_when_its_writer_is_gone(tmp_path: Path) -> None:
    (tmp_path / f"killed{DRAFT}").touch()
    living = tmp_path / f"living{DRAFT}"
    with living.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        delete_abandoned_drafts(tmp_path)
        assert list(tmp_path.iterdir()) == [living]
    delete_abandoned_drafts(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_used_up_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"mine")
    spool.close_own()

    def fail() -> None:
        with taken(list_files(tmp_path)[0]):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert take(tmp_path) == [b"mine"]


def test_a_file_is_held_by_one_taker(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"mine")
    spool.close_own()
    path = list_files(tmp_path)[0]
    with taken(path) as first, taken(path) as second:
        assert first is not None
        assert second is None
    with taken(path) as third:
        assert third is None


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "torn.spool").write_bytes(b"whole\nto")
    assert take(tmp_path) == [b"whole"]


def in_child(work: Callable[[], None]) -> int:
    """Fork, work, end without cleaning up, as a killed process does."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"parent")
    os.waitpid(in_child(lambda: spool.append(b"child")), 0)
    assert take(tmp_path) == [b"child"]
    spool.append(b"parent again")
    spool.close_own()
    assert take(tmp_path) == [b"parent", b"parent again"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file").append(b"mine")
