"""`flask usage import`: a file of usage events into the ledger, resumable and safe to run twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, cast

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import OperationalError

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.usage_import.runs import ImportTaken
from dashboard.billing.usage_import.source import format_of, open_source
from dashboard.cli.common import ID
from dashboard.cli.usage_import.importing import READERS, Options, import_source
from dashboard.cli.usage_import.terminal import Stopped


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--tenant", "tenant_id", type=ID, required=True, help="The tenant's id.")
@click.option("--format", "file_format", type=click.Choice(list(READERS)), help="By the file's name unless given.")
@click.option("--batch", "batch_size", type=click.IntRange(1, 10_000), default=1_000, show_default=True)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Refused lines: .csv, or JSON Lines.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Check everything and store nothing.")
@click.option("--restart", "anew", is_flag=True, help="Begin an unfinished import anew; what it recorded counts once.")
@with_appcontext
def import_usage(
    file: str,
    tenant_id: int,
    file_format: str | None,
    batch_size: int,
    report: Path | None,
    *,
    is_dry_run: bool,
    anew: bool,
) -> None:
    """Import usage events from FILE: CSV or JSON Lines, gzipped or not; - is standard input.

    Exit status: 0 all in, 1 some lines refused, 2 wrong usage, 3 stopped before the end (the same command goes on).
    """
    file_format = file_format or format_of(file)
    if file_format is None:
        raise click.UsageError(f"The name {file} does not tell the format: give --format csv or --format jsonl.")
    if report and report.exists() and file != "-" and report.samefile(file):
        raise click.UsageError("--report must not be the file to import.")
    options = Options(tenant_id, file_format, batch_size, report, is_dry_run=is_dry_run, anew=anew)
    try:
        with (
            click.open_file(file, "rb") as given,
            open_source(click.format_filename(file), cast(BinaryIO, given)) as source,
        ):
            run = import_source(source, options)
    except (InvalidInput, NotFound) as error:
        raise click.UsageError(str(error)) from error
    except OperationalError as error:  # its own text would show the batch
        raise Stopped(f"the database: {error.orig}\nThe same command goes on where this one stopped.") from error
    except (ImportTaken, OSError) as error:
        raise Stopped(f"{error}\nThe same command goes on where this one stopped.") from error
    except KeyboardInterrupt as error:
        raise Stopped("stopped at once; the same command goes on after the last whole batch") from error
    sys.exit(1 if run.refused else 0)
