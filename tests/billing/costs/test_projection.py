"""The forecast on histories of many kinds, from many days: how often its interval holds, and how far off it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, sqrt
from random import Random
from statistics import fmean

import pytest

from dashboard.billing.costs.projection import project, quantile, weekday_factors

MONTH = 30
CUTS = (1, 3, 6, 10, 15, 20, 25, 29)
HISTORIES = 25
WEEK = (1.3, 1.3, 1.25, 1.2, 1.1, 0.5, 0.35)

Day = Callable[[int], float]


def weekly(random: Random, base: float) -> Day:
    return lambda day: base * WEEK[day % 7] * exp(random.gauss(0, 0.12))


def trending(random: Random, base: float) -> Day:
    growth = random.uniform(-0.008, 0.012)
    return lambda day: base * exp(growth * day) * WEEK[day % 7] * exp(random.gauss(0, 0.12))


def noisy(random: Random, base: float) -> Day:
    return lambda _: base * exp(random.gauss(0, 0.6))


def bursty(random: Random, base: float) -> Day:
    return lambda _: base * 8 * exp(random.gauss(0, 0.5)) if random.random() < 0.12 else 0.0


def wandering(random: Random, base: float) -> Day:
    level = [base]

    def day(n: int) -> float:
        level[0] *= exp(random.gauss(0, 0.05))
        return level[0] * WEEK[n % 7] * exp(random.gauss(0, 0.15))

    return day


def short(random: Random, base: float) -> Day:
    return lambda day: base * WEEK[day % 7] * exp(random.gauss(0, 0.25))


KINDS = (weekly, trending, noisy, bursty, wandering, short)


@dataclass(frozen=True)
class Try:
    """One forecast of a month from one of its days: whether the interval held, and errors in parts of a usual month."""

    held: bool
    error: float
    straight_line_error: float


def tries(kind: Callable[[Random, float], Day]) -> list[Try]:
    random = Random(kind.__name__)
    found = []
    for _ in range(HISTORIES):
        first = random.randrange(7)
        length = MONTH + (random.randint(2, 20) if kind is short else random.randint(54, 90))
        shape = kind(random, exp(random.uniform(2, 7)))
        days = [_count(random, shape(first + n)) for n in range(length)]
        begin, total = length - MONTH, sum(days[length - MONTH :])
        usual = max(1.0, MONTH * fmean(days))
        for cut in CUTS:
            known = max(0, begin + cut - 63)
            made = project(days[known : begin + cut], (first + known) % 7, [1.0] * (MONTH - cut))
            used = sum(days[begin : begin + cut])
            found.append(
                Try(
                    round(made.low) <= total - used <= round(made.high),
                    abs(used + made.expected - total) / usual,
                    abs(used * MONTH / cut - total) / usual,
                )
            )
    return found


def _count(random: Random, mean: float) -> int:
    """People act one by one: what is expected to be `mean` scatters by its root."""
    return max(0, round(random.gauss(mean, sqrt(mean))))


@pytest.fixture(scope="module")
def backtest() -> dict[str, list[Try]]:
    return {kind.__name__: tries(kind) for kind in KINDS}


def test_the_interval_holds_in_four_of_five_cases(backtest: dict[str, list[Try]]) -> None:
    held = {name: fmean(each.held for each in found) for name, found in backtest.items()}
    assert 0.75 <= fmean(held.values()) <= 0.85, held
    assert all(0.65 <= each <= 0.92 for each in held.values()), held


def test_it_beats_the_straight_line_on_every_kind_of_history(backtest: dict[str, list[Try]]) -> None:
    for name, found in backtest.items():
        ours, straight = fmean(each.error for each in found), fmean(each.straight_line_error for each in found)
        assert ours < 0.9 * straight, (name, ours, straight)


def test_a_shape_of_the_week_is_found_and_chance_is_not() -> None:
    shaped = weekday_factors([round(100 * WEEK[n % 7]) for n in range(84)], 0)
    assert shaped == pytest.approx(WEEK, abs=0.02)
    chance = Random(1)
    assert weekday_factors([round(chance.gauss(100, 30)) for _ in range(84)], 0) == pytest.approx([1.0] * 7, abs=0.2)


def test_the_days_to_come_have_their_own_weekdays() -> None:
    monday_to_friday = [0 if n % 7 >= 5 else 100 for n in range(70)]
    assert project(monday_to_friday, 0, [1.0] * 5).expected == pytest.approx(500, rel=0.02)
    assert project(monday_to_friday + [100] * 5, 0, [1.0, 1.0]).expected == pytest.approx(0, abs=5)


def test_a_day_counts_as_far_as_it_is_still_to_come() -> None:
    steady = [100] * 60
    assert project(steady, 0, [0.25, 1.0]).expected == pytest.approx(125, rel=0.01)
    assert project(steady, 0, []).expected == 0


def test_few_days_make_a_wide_interval_and_none_make_none() -> None:
    two = project([100, 110], 0, [1.0] * 10)
    many = project([100, 110] * 40, 0, [1.0] * 10)
    assert two.high - two.low > 4 * (many.high - many.low)
    assert project([], 0, [1.0] * 10).high == 0


def test_a_level_that_grows_goes_on_growing_and_one_that_falls_may_fall() -> None:
    assert project([5] * 40, 0, [1.0] * 10, is_change=True).expected == pytest.approx(50, rel=0.01)
    assert project([-5] * 40, 0, [1.0] * 10, is_change=True).expected == pytest.approx(-50, rel=0.01)


def test_the_same_history_gives_the_same_forecast() -> None:
    days = [7, 0, 3, 90, 4, 5, 0] * 9
    assert project(days, 2, [0.5] + [1.0] * 9) == project(days, 2, [0.5] + [1.0] * 9)


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert quantile([0.0, 10.0, 20.0], 0.1) == pytest.approx(2.0)
    assert quantile([4.0], 0.9) == 4.0
