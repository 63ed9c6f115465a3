"""Steps of the set-up as a table on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from dashboard.integrations.stripe.setup.steps import Action, Step

MARKS = {Action.CREATE: "+", Action.CHANGE: "~", Action.ARCHIVE: "-", Action.KEEP: " "}


def show_steps(steps: Sequence[Step], *, err: bool = False) -> None:
    """One line a step (action, kind, name, what differs), then how many of each action."""
    rows = [(f"{MARKS[step.action]} {step.action}", step.kind, step.name, step.detail) for step in steps]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]).rstrip(), err=err)
    counts = Counter(step.action for step in steps)
    click.echo(", ".join(f"{counts[action]} to {action}" for action in Action) + ".", err=err)
