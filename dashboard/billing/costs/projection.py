"""What is still to come of a daily series, with an interval that holds in four of five cases. Pure arithmetic.

A damped local level and trend under the shape of the week, as in exponential smoothing (Hyndman, Koehler, Ord, Snyder:
"Forecasting with Exponential Smoothing", 2008). The interval is made of the errors that the same forecast would have
made on earlier days of the same series, so it needs no assumption about how usage is distributed (ADR 0040).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from operator import mul

WEEK = 7
TAIL = 0.1
# How fast level and trend follow the days: the pair that was least wrong on the series' own past is taken.
PACES = ((0.05, 0.0), (0.2, 0.0), (0.1, 0.01))
SHORT_PACE = (0.2, 0.0)
DAMPING = 0.97
# A faster pace has to be this much better: on a short past, chance favours it.
BETTER = 0.97
# A slow level may still drift as fast as this.
LEAST_DRIFT = 0.07
# What was fitted on a past knows that past too well, by its weeks and by how far ahead it has to look.
FITTED, REACH = 0.8, 0.5
# With less than three weeks: half of the expectation after three days, and less with each more.
YOUNG, YOUNG_SPREAD = 21, 0.9


@dataclass(frozen=True, slots=True)
class Projection:
    """Units still to come: `expected`, and in four of five cases between `low` and `high`.

    `errors` are what earlier forecasts were off, oldest first, one a day, brought to the reach of this one.
    """

    expected: float
    low: float
    high: float
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _Past:
    """A series made ready to try paces on: `window` days are forecast from each day after the first `warm` ones."""

    daily: Sequence[int]
    factors: Sequence[float]
    warm: int
    window: int
    actual: Sequence[int]
    shape: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Fit:
    pace: tuple[float, float]
    level: float
    slope: float
    errors: list[float]


def project(daily: Sequence[int], weekday: int, shares: Sequence[float], *, is_change: bool = False) -> Projection:
    """What the days after `daily` bring.

    `daily` are whole days, oldest first, of which the first is a `weekday` (0 to 6, any day is 0). `shares` says how
    much of each following day is still to come, 0 to 1. `is_change`: the days are changes of a level, which have no
    shape of the week and may be negative.
    """
    reach = sum(shares)
    if not daily or reach <= 0 or not any(daily):
        return Projection(0.0, 0.0, 0.0)
    week = [1.0] * WEEK if is_change else weekday_factors(daily, weekday)
    factors = [week[(weekday + n) % WEEK] for n in range(len(daily) + len(shares))]
    past = _prepare(daily, factors, reach)
    fit = _best_fit(past, is_change=is_change)
    expected, slope = 0.0, fit.slope
    trend = 0.0
    for factor, share in zip(factors[len(daily) :], shares, strict=True):
        slope *= DAMPING
        trend += slope
        value = factor * (fit.level + trend)
        expected += share * (value if is_change else max(value, 0.0))
    return _with_interval(expected, reach, past, fit, is_change=is_change)


def weekday_factors(daily: Sequence[int], weekday: int) -> list[float]:
    """How each day of the week compares with the week around it; 1 throughout where chance explains the shape.

    The shape is drawn towards 1 by the part of it that the scatter within each day of the week would make alone.
    """
    n = len(daily)
    if n < 2 * WEEK:
        return [1.0] * WEEK
    sums = [0, *accumulate(daily)]
    ratios: list[list[float]] = [[] for _ in range(WEEK)]
    for day, value in enumerate(daily):
        start = max(0, min(day - 3, n - WEEK))
        around = sums[start + WEEK] - sums[start]
        ratios[(weekday + day) % WEEK].append(WEEK * value / around if around else 1.0)
    means = [sum(each) / len(each) for each in ratios]
    centre = sum(means) / WEEK
    within = sum(sum((ratio - mean) ** 2 for ratio in each) for each, mean in zip(ratios, means, strict=True))
    between = sum((mean - centre) ** 2 for mean in means) / (WEEK - 1)
    chance = within / max(1, n - WEEK) * WEEK / n
    kept = max(0.0, 1 - chance / between) if between else 0.0
    return [1 + kept * (mean / centre - 1) for mean in means]


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which this part of an ordered, non-empty series lies, between its neighbours."""
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _prepare(daily: Sequence[int], factors: list[float], reach: float) -> _Past:
    n = len(daily)
    # Wide windows are few, and their errors say little: wider ones are worked out from narrower ones.
    window = max(1, min(round(reach), n // 8))
    warm = min(WEEK, max(1, n // 3))
    sums, shape = [0, *accumulate(daily)], [0.0, *accumulate(factors[:n])]
    starts = range(warm, n - window + 1)
    return _Past(
        daily,
        factors,
        warm,
        window,
        [sums[start + window] - sums[start] for start in starts],
        [shape[start + window] - shape[start] for start in starts],
    )


def _best_fit(past: _Past, *, is_change: bool) -> _Fit:
    """The slowest pace, unless a faster one was clearly less wrong. A short past has no choice to offer."""
    if len(past.daily) < 2 * WEEK:
        return _follow(past, SHORT_PACE, is_change=is_change)
    best, *others = (_follow(past, pace, is_change=is_change) for pace in PACES)
    least = _miss(best)
    for fit in others:
        miss = _miss(fit)
        if miss < least * BETTER:
            best, least = fit, miss
    return best


def _miss(fit: _Fit) -> float:
    squares: float = sum(map(mul, fit.errors, fit.errors))
    return squares


def _follow(past: _Past, pace: tuple[float, float], *, is_change: bool) -> _Fit:
    """Walk through the past, forecast at each day, and learn from it."""
    gain, trend_gain = pace
    first = sum(past.factors[: past.warm])
    level = sum(past.daily[: past.warm]) / first if first else 0.0
    slope = 0.0
    ahead = _reach_of_trend(past.window) if trend_gain else 0.0
    errors = []
    actual, shape = past.actual, past.shape
    known, place = len(actual), -past.warm
    for value, factor in zip(past.daily, past.factors, strict=False):
        if 0 <= place < known:
            forecast = level * shape[place] + slope * ahead
            errors.append(actual[place] - (forecast if is_change or forecast > 0 else 0.0))
        place += 1
        step = factor * (value - factor * (level + slope))
        level += slope + gain * step
        slope = DAMPING * (slope + trend_gain * step) if trend_gain else 0.0
        if level < 0 and not is_change:
            level = 0.0
    return _Fit(pace, level, slope, errors)


@lru_cache(maxsize=500)
def _reach_of_trend(window: int) -> float:
    """What a slope of 1 adds to the sum of the next `window` days."""
    return sum(DAMPING ** (day + 1) * (window - day) for day in range(window))


def _with_interval(expected: float, reach: float, past: _Past, fit: _Fit, *, is_change: bool) -> Projection:
    n, days = len(past.daily), max(1, round(reach))
    wider = sqrt(_growth(fit.pace, days) / _growth(fit.pace, past.window) * reach / days)
    wider *= sqrt(1 + FITTED * WEEK / n) * (1 + REACH * days / n)
    errors = tuple(error * wider for error in fit.errors)
    ordered = sorted(errors)
    low = quantile(ordered, TAIL) if len(ordered) >= 5 else 0.0
    high = quantile(ordered, 1 - TAIL) if len(ordered) >= 5 else 0.0
    if n < YOUNG:
        doubt = YOUNG_SPREAD / sqrt(n) * abs(expected) * min(1.0, (YOUNG - n) / (2 * WEEK))
        low, high = min(low, -doubt), max(high, doubt)
    low, high = min(low, 0.0) + expected, max(high, 0.0) + expected
    return Projection(expected, low if is_change else max(low, 0.0), high, errors)


@lru_cache(maxsize=500)
def _growth(pace: tuple[float, float], days: int) -> float:
    """The variance of a sum of `days` forecasts made at once, in units of one day's: a miss of a day stays in part."""
    total, carried = 0.0, 1.0
    for day in range(days):
        total += carried * carried
        carried += max(pace[0], LEAST_DRIFT) + 0.6 * pace[1] * day
    return total
