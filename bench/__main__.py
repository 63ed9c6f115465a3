"""Measure and print one line of JSON for each figure.

python -m bench                 what takes a few minutes
python -m bench usage.single    only this (names as they are printed, or a beginning of them)
python -m bench --50m           the ledger of 50 million rows as well: about half an hour and 30 GB of disk
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import history, meters, pages, usage, webhooks
from bench.copy import copy_rate
from bench.figures import Figure
from bench.services import FOLDER, Services, services

MILLION = 1_000_000
Measure = Callable[[Services], Iterator[Figure]]

MEASURES: dict[str, Measure] = {
    "usage.single": usage.measure_single,
    "usage.batch_100": usage.measure_batch_100,
    "usage.batch_1000": usage.measure_batch_1000,
    "webhook.ack": webhooks.measure_ack,
    "webhook.drain": webhooks.measure_drain,
    "sync.claim_s": meters.measure_claim,
    "sync.send_v1": meters.measure_send_v1,
    "sync.send_v2": meters.measure_send_v2,
    "usage.growth_10m": lambda found: history.measure_growth(found, 10 * MILLION),
    "usage.summary_10m": lambda found: history.measure_summary(found, 10 * MILLION),
    "page.10m": lambda found: pages.measure_pages(found, 10 * MILLION),
}
LARGE: dict[str, Measure] = {
    "usage.growth_50m": lambda found: history.measure_growth(found, 50 * MILLION),
    "usage.summary_50m": lambda found: history.measure_summary(found, 50 * MILLION),
    "page.50m": lambda found: pages.measure_pages(found, 50 * MILLION),
}


def main() -> None:
    """Read the command line, measure, print; with `--output` the lines go to a file as well."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--50m", dest="large", action="store_true", help="measure at 50 million rows instead of 10")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    history_measures = LARGE if options.large else {n: MEASURES[n] for n in MEASURES if n.endswith("10m")}
    measures = {name: each for name, each in MEASURES.items() if name not in history_measures and "0m" not in name}
    measures |= history_measures
    chosen = [name for name in measures if not options.names or any(name.startswith(want) for want in options.names)]
    if not chosen:
        sys.exit(f"there is no such figure; there are {', '.join(measures)}")
    lines = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    with services(FOLDER) as found:
        say(json.dumps({"machine": _machine(), "postgres": found.postgres_settings()}))
        rate = copy_rate(found)
        say(Figure("copy", rate, "rows/s").line(None))
        for name in chosen:
            for figure in measures[name](found):
                say(figure.line(rate))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n")


def _machine() -> dict[str, object]:
    return {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


if __name__ == "__main__":
    main()
