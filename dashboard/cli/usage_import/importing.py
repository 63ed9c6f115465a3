"""The course of an import: batch after batch, each one transaction."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from dashboard.billing.usage_import.checking import Checker, in_batches
from dashboard.billing.usage_import.csv_rows import read_csv
from dashboard.billing.usage_import.lines import Row, read_json_lines
from dashboard.billing.usage_import.recording import record_batch
from dashboard.billing.usage_import.report import RefusalReport
from dashboard.billing.usage_import.runs import (
    ImportRun,
    advance_import,
    begin_import,
    finish_import,
    list_refusals,
    rehearse_import,
)
from dashboard.billing.usage_import.source import Source
from dashboard.cli.common import operator
from dashboard.cli.usage_import.terminal import Stopped, interruption, show_progress, summarise
from dashboard.wiring import now, unit_of_work

READERS = {"csv": read_csv, "jsonl": read_json_lines}


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for."""

    tenant_id: int
    file_format: str
    batch_size: int
    report: Path | None
    is_dry_run: bool
    anew: bool


def import_source(source: Source, options: Options) -> ImportRun:
    """Import a file, or the rest of it, and tell what came of it.

    Raises `InvalidInput` (the header of a CSV file), `NotFound` (no such tenant), `ImportTaken`, `Stopped` (Ctrl-C).
    """
    rows = READERS[options.file_format](source.stream)
    with ExitStack() as exits:
        report = exits.enter_context(closing(RefusalReport(options.report)))
        run = _begin(source, options, report)
        checker = exits.enter_context(closing(Checker(options.tenant_id)))
        interrupted = exits.enter_context(interruption())
        show = exits.enter_context(show_progress(source, run))
        let_go = exits.enter_context(_bounded_memory())
        for batch in in_batches(_not_done(rows, run, checker), options.batch_size):
            run = _do_batch(batch, run, checker, report, options)
            show(run)
            let_go()
            if interrupted():
                break
        else:
            _finish(run, options)
    summarise(source, run, report, is_dry_run=options.is_dry_run)
    if interrupted():
        raise Stopped(f"stopped after line {run.line:,}; the same command goes on there")
    return run


@contextmanager
def _bounded_memory() -> Iterator[Callable[[], object]]:
    """Let go of a batch for certain: its texts hang in reference cycles of its session, which are rarely looked for.

    What was there before is left out of the search, so that it takes next to no time.
    """
    gc.freeze()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()


def _begin(source: Source, options: Options, report: RefusalReport) -> ImportRun:
    with unit_of_work() as session:
        if options.is_dry_run:
            run = rehearse_import(session, options.tenant_id)
            report.add([])
            return run
        run = begin_import(
            session,
            options.tenant_id,
            source,
            options.file_format,
            started_by=operator(),
            anew=options.anew,
            now=now(),
        )
        report.add(list_refusals(session, run))
    if run.line:
        click.echo(f"import {run.id} goes on after line {run.line:,}", err=True)
    return run


def _not_done(rows: Iterable[Row], run: ImportRun, checker: Checker) -> Iterator[Row]:
    moment = now()
    for row in rows:
        if row.last_line > run.line:
            yield row
        else:
            checker.pass_over(row, moment)


def _do_batch(rows: list[Row], run: ImportRun, checker: Checker, report: RefusalReport, options: Options) -> ImportRun:
    moment = now()
    batch = checker.check_batch(rows, moment)
    with unit_of_work() as session:
        outcome = record_batch(session, options.tenant_id, batch, now=moment)
        if options.is_dry_run:
            session.rollback()
        else:
            advance_import(session, run, batch, outcome)
    report.add(outcome.refusals)
    return run.after(batch, outcome)


def _finish(run: ImportRun, options: Options) -> None:
    if not options.is_dry_run:
        with unit_of_work() as session:
            finish_import(session, run, now())
