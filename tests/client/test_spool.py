"""An event for which `record` has returned survives; the caller never waits; the spool has a bound."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from countinghouse_client import SpoolFull, sender
from countinghouse_client.journal import SEGMENT_BYTES

from tests.client import caller, ledger
from tests.client.conftest import MakeClient
from tests.client.servers import AppServer, SilentServer
from tests.sandbox_server import wait_until

ROOT = Path(__file__).resolve().parents[2]
EVENT = caller.EVENT
UNTIL = 60.0  # seconds; reached only where something is broken


class Caller:
    """A process of its own that reports."""

    def __init__(self, mode: str, server: AppServer, key: str, spool: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.caller", mode, server.base, key, str(spool)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "client" / "src")},
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        self.lines = self.process.stdout

    def killed_after(self, events: int) -> set[str]:
        """Kill it with SIGKILL when it has reported so many; the keys of all events whose `record` returned."""
        keys = [next(self.lines) for _ in range(events)]
        self.process.kill()
        keys += [line for line in self.lines if line.endswith(b"\n")]
        self.lines.close()
        assert self.process.wait() == -signal.SIGKILL
        return {key.decode().strip() for key in keys}

    def ended(self) -> list[str]:
        """Wait for its end; the keys it printed."""
        with self.lines:
            keys = [line.decode().strip() for line in self.lines]
        assert self.process.wait() == 0
        return keys


@pytest.mark.parametrize("is_up", [True, False])
def test_a_killed_process_loses_no_event_that_was_taken(
    make_client: MakeClient, server: AppServer, key: str, spool: Path, *, is_up: bool
) -> None:
    if not is_up:
        server.stop()
    caller = Caller("stream", server, key, spool)
    if is_up:
        wait_until(lambda: ledger.counted() > 0, "the first events to arrive")
    keys = caller.killed_after(3_000)
    if not is_up:
        server.start()
    assert make_client().flush(UNTIL)
    # At most one more: the event whose `record` was about to return.
    assert keys <= ledger.keys()
    assert ledger.counted() == len(ledger.keys()) <= len(keys) + 1
    wait_until(lambda: len(list(spool.glob("*/*/lock"))) == 1, "what the dead process left to be removed")


def test_a_living_client_sends_what_a_dead_process_left(
    make_client: MakeClient, server: AppServer, key: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "ADOPT_EVERY", 0.05)  # seconds instead of half a minute
    server.stop()
    living = make_client()
    keys = Caller("stream", server, key, spool).killed_after(10)
    server.start()
    wait_until(lambda: keys <= ledger.keys(), "the living client to adopt")
    assert living.flush(UNTIL)
    assert living.stats().sent >= len(keys)


def test_a_line_that_a_crash_cut_short_is_left_out(
    make_client: MakeClient, server: AppServer, key: str, spool: Path
) -> None:
    server.stop()
    keys = Caller("stream", server, key, spool).killed_after(10)
    segment = max(spool.rglob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(b'{"usage_type":"AI_MESSAGE_GENERATED","quan')
    server.start()
    client = make_client()
    assert client.flush(UNTIL)
    assert keys <= ledger.keys()
    assert client.refused() == []


def test_a_caller_does_not_wait_while_the_server_hangs(make_client: MakeClient) -> None:
    with SilentServer() as silent:
        client = make_client(silent.base, timeout=UNTIL)
        client.record(EVENT)
        assert silent.holds_request.wait(UNTIL)
        for _ in range(1_000):
            client.record(EVENT)
        # The request is still held: no answer was given, and every call has returned.
        stats = client.stats()
        assert (stats.waiting, stats.sent, stats.trouble) == (1_001, 0, None)
    client.close(timeout=0)


def test_a_full_spool_says_so_and_takes_events_again_when_there_is_room(
    make_client: MakeClient, server: AppServer
) -> None:
    server.stop()
    client = make_client(max_spool_bytes=2_000)
    keys = set()
    with pytest.raises(SpoolFull, match="at its bound"):  # noqa: PT012 (which of them it is, is not the point)
        for _ in range(2_000):
            keys.add(client.record(EVENT))
    assert 5 <= len(keys) <= 20
    assert (client.stats().waiting, client.stats().dropped) == (len(keys), 1)
    server.start()
    assert client.flush(UNTIL)
    keys.add(client.record(EVENT))
    assert client.flush(UNTIL)
    assert ledger.keys() == keys


def test_what_a_dead_process_left_counts_towards_the_bound(
    make_client: MakeClient, server: AppServer, key: str, spool: Path
) -> None:
    server.stop()
    Caller("stream", server, key, spool).killed_after(10)
    with pytest.raises(SpoolFull):
        make_client(max_spool_bytes=500).record(EVENT)


def test_refused_events_count_towards_the_bound(make_client: MakeClient) -> None:
    client = make_client(max_spool_bytes=1_500)
    client.record(EVENT, 1, key="one")
    with pytest.raises(SpoolFull):  # noqa: PT012 (which of them it is, is not the point)
        for quantity in range(2, 1_000):
            client.record(EVENT, quantity, key="one")
            assert client.flush(UNTIL)
    assert len(client.forget_refused()) >= 2
    client.record(EVENT)
    assert client.flush(UNTIL)
    assert ledger.counted() == 2


def test_a_full_disk_is_told_and_spoils_nothing(
    make_client: MakeClient, server: AppServer, key: str, spool: Path
) -> None:
    server.stop()
    keys = Caller("fill", server, key, spool).ended()
    assert len(keys) > 20
    server.start()
    client = make_client()
    assert client.flush(UNTIL)
    assert sorted(ledger.keys()) == sorted(keys)
    assert client.refused() == []


def test_the_disk_is_given_back_while_events_keep_coming(make_client: MakeClient, spool: Path) -> None:
    client = make_client()
    text = "x" * 8_000
    for _ in range(5 * SEGMENT_BYTES // len(text) // 100):
        for _ in range(100):
            client.record(EVENT, metadata={"text": text})
        assert client.flush(UNTIL)
    assert sum(path.stat().st_size for path in spool.rglob("*.jsonl")) < 2 * SEGMENT_BYTES
    assert ledger.counted() == client.stats().sent == 600


def test_a_living_process_keeps_its_events(make_client: MakeClient, server: AppServer) -> None:
    server.stop()
    first = make_client()
    first.record(EVENT)
    second = make_client()
    assert (first.stats().waiting, second.stats().waiting) == (1, 0)
    server.start()
    assert first.flush(UNTIL)
    assert second.flush(UNTIL)
    assert (first.stats().sent, second.stats().sent) == (1, 0)


def test_a_forked_child_reports_on_its_own(server: AppServer, key: str, spool: Path) -> None:
    keys = Caller("fork", server, key, spool).ended()
    assert len(set(keys)) == 7
    assert ledger.keys() == set(keys)
    assert ledger.counted() == 7


def test_sending_imports_nothing(server: AppServer, key: str, spool: Path) -> None:
    """An import that is under way in the sender's thread during a fork stays locked in the child for ever."""
    assert Caller("imports", server, key, spool).ended() == []
    assert ledger.counted() == 1


def test_a_process_that_ends_sends_its_last_events(server: AppServer, key: str, spool: Path) -> None:
    keys = Caller("leave", server, key, spool).ended()
    assert ledger.keys() == set(keys)
    assert list(spool.rglob("*.jsonl")) == []
