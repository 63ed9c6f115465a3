"""The geometry of the daily chart, in percent: the template draws it, the stylesheet colours it.

No viewBox: text keeps its size at every width. The numbers are those of the table under the chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil

from dashboard.billing.reports import UsageReport

BAR_SHARE = 0.72
TICKS = 4
LABELS = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the scale: its value and its height."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of one series in a bar; `series` counts from 1, as the colours do."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: where it can be hit, its middle, and its segments from the ground up."""

    day: date
    total: int
    values: tuple[int, ...]
    hit_x: float
    hit_width: float
    middle: float
    segments: tuple[Segment, ...]
    is_future: bool
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole chart."""

    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


def build_chart(report: UsageReport) -> Chart:
    """The chart of a report's days."""
    top = scale_top(max((row.total for row in report.days), default=0))
    step = 100 / max(len(report.days), 1)
    every = ceil(len(report.days) / LABELS)
    bars = []
    for n, row in enumerate(report.days):
        width = step * BAR_SHARE
        bars.append(
            Bar(
                day=row.day,
                total=row.total,
                values=row.values,
                hit_x=round(n * step, 3),
                hit_width=round(step, 3),
                middle=round(n * step + step / 2, 2),
                segments=_stack(row.values, top, round(n * step + (step - width) / 2, 3), round(width, 3)),
                is_future=row.is_future,
                is_labelled=n % every == every // 2,
            )
        )
    ticks = tuple(Tick(top * n // TICKS, round(100 - 100 * n / TICKS, 2)) for n in range(TICKS + 1))
    return Chart(ticks=ticks, bars=tuple(bars))


def scale_top(highest: int) -> int:
    """The top of the scale: four equal whole steps that hold `highest` and leave little room above it.

    A step is 1, 1.5, 2, 2.5, 3, 4 or 5 times a power of ten.
    """
    step = 1
    while True:
        for factor in (1, 1.5, 2, 2.5, 3, 4, 5):
            size = step * factor
            if size == int(size) and size * TICKS >= highest:
                return int(size) * TICKS
        step *= 10


def _stack(values: tuple[int, ...], top: int, x: float, width: float) -> tuple[Segment, ...]:
    segments, ground = [], 100.0
    for n, value in enumerate(values, 1):
        if value > 0:
            height = value * 100 / top
            ground -= height
            segments.append(Segment(n, x, round(ground, 3), width, round(height, 3)))
    return tuple(segments)
