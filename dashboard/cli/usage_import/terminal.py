"""What an operator sees of an import: how far it is, what came of it, and that Ctrl-C was heard."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from dashboard.billing.usage_import.report import SHOWN_LINES, RefusalReport
from dashboard.billing.usage_import.runs import ImportRun
from dashboard.billing.usage_import.source import Source

SHOWN_REASONS = 20


class Stopped(click.ClickException):
    """The import ended before its last line; the same command goes on there."""

    exit_code = 3


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM asked for an end after the batch in hand. A second one ends at once."""
    asked = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[signal.Signals(number)])
        click.echo("\nending after this batch; once more ends at once, which loses nothing either", err=True)

    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def show_progress(source: Source, run: ImportRun) -> Iterator[Callable[[ImportRun], None]]:
    """Show each new state: a bar on a terminal, otherwise a line for every tenth of the file."""
    speed = _speedometer(run)
    if not sys.stderr.isatty():
        yield _tenths(source, run, speed)
        return
    at = 0
    with click.progressbar(
        length=max(source.size, 1), label=source.name, file=sys.stderr, item_show_func=lambda text: text
    ) as bar:

        def show(state: ImportRun) -> None:
            nonlocal at
            bar.update(state.byte_offset - at, speed(state))
            at = state.byte_offset

        if run.byte_offset:
            show(run)
        yield show


def _tenths(source: Source, run: ImportRun, speed: Callable[[ImportRun], str]) -> Callable[[ImportRun], None]:
    told = 10 * run.byte_offset // max(source.size, 1)

    def show(state: ImportRun) -> None:
        nonlocal told
        tenth = 10 * state.byte_offset // source.size
        if tenth > told:
            told = tenth
            click.echo(f"{tenth * 10:3} %  {speed(state)}", err=True)

    return show


def _speedometer(start: ImportRun) -> Callable[[ImportRun], str]:
    begun = time.monotonic()

    def speed(state: ImportRun) -> str:
        seconds = max(time.monotonic() - begun, 0.001)
        return f"{state.rows:,} events, {(state.rows - start.rows) / seconds:,.0f} events/s"

    return speed


def summarise(source: Source, run: ImportRun, report: RefusalReport, *, is_dry_run: bool) -> None:
    """Print the counts, what was refused and why, and the first lines that were."""
    title = "dry run, nothing is stored" if is_dry_run else f"import {run.id}"
    click.echo(f"{source.name} for tenant {run.tenant_id} ({title})")
    click.echo(f"events: {run.rows:,}; {run.new:,} new, {run.duplicates:,} known before, {run.refused:,} refused")
    reasons = report.reasons()
    if not reasons:
        return
    click.echo("refused because")
    for (field, message), lines in reasons[:SHOWN_REASONS]:
        click.echo(f"  {lines:8,} × {field}: {message}")
    if len(reasons) > SHOWN_REASONS:
        click.echo(f"  and for {len(reasons) - SHOWN_REASONS:,} reasons more")
    click.echo("lines refused" if run.refused <= SHOWN_LINES else f"the first {SHOWN_LINES} lines refused")
    for refusal in report.first:
        click.echo(f"  line {refusal.line:,}: {refusal.field}: {refusal.message}")
