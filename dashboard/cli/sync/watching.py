"""Doing a run in this process, or following one that a worker does, with a bar on the terminal meanwhile."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
from flask import Flask, current_app

from dashboard.billing.errors import NotNow
from dashboard.billing.metering.sync_runs import cancel_run
from dashboard.billing.metering.sync_views import SyncRunView, find_run
from dashboard.cli.common import operator
from dashboard.jobs.metering import sync_meters
from dashboard.wiring import now, unit_of_work

# Seconds between two looks at how far the run is.
LOOK = 0.2


def do_run(run_id: int, *, is_new: bool) -> SyncRunView:
    """Do the run unless a worker has it, and show it until it has ended; what became of it."""
    run = _look(run_id)
    if not is_new:
        click.echo(f"sync {run_id}, started by {run.started_by}, is under way", err=True)
    # Taken here if it still waits; otherwise this comes back at once, and the run is only followed.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    work = threading.Thread(target=_work, args=(app, run_id))
    with _interruption() as interrupted, _bar(run) as show:
        work.start()
        is_canceled = False
        while run.is_live or work.is_alive():
            if interrupted.wait(LOOK) and not is_canceled:
                is_canceled = True
                _cancel(run_id)
            if is_canceled:
                work.join(LOOK)
            run = _look(run_id)
            show(run)
        work.join()
    return _look(run_id)


def _work(app: Flask, run_id: int) -> None:
    with app.app_context():
        sync_meters(run_id)


def _look(run_id: int) -> SyncRunView:
    with unit_of_work() as session:
        return find_run(session, run_id)


def _cancel(run_id: int) -> None:
    try:
        with unit_of_work() as session:
            cancel_run(session, run_id, canceled_by=operator(), now=now())
    except NotNow:
        return


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """Set when Ctrl-C or SIGTERM asked for an end. A second one ends at once."""
    asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)
        click.echo("\nending after the events in hand; once more ends at once, which loses nothing either", err=True)

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(run: SyncRunView) -> Iterator[Callable[[SyncRunView], None]]:
    """Show each new state: a bar on a terminal, otherwise a line for every tenth."""
    if not sys.stderr.isatty():
        yield _tenths()
        return
    at = 0
    with click.progressbar(
        length=100, label=f"sync {run.id}", file=sys.stderr, item_show_func=lambda text: text
    ) as bar:

        def show(state: SyncRunView) -> None:
            nonlocal at
            bar.update(state.progress - at, _words(state))
            at = state.progress

        yield show


def _tenths() -> Callable[[SyncRunView], None]:
    told = 0

    def show(state: SyncRunView) -> None:
        nonlocal told
        if state.progress // 10 > told:
            told = state.progress // 10
            click.echo(f"{told * 10:3} %  {_words(state)}", err=True)

    return show


def _words(state: SyncRunView) -> str:
    if state.sending_at is None:
        return f"{state.claimed:,} claimed"
    rate = f", {state.rate:,.0f}/s" if state.rate else ""
    return f"{state.answered:,} of {state.to_send:,}, {state.rejected:,} refused{rate}"
