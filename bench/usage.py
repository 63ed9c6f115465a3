"""Usage over HTTP: authenticated, durable, deduplicated and rolled up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import msgspec
import psutil

from bench.figures import Figure
from bench.load import post, send
from bench.services import Services
from bench.traffic import Traffic

PATH = "/api/billing/usage/events"
ROUNDS = 3


def measure_single(services: Services) -> Iterator[Figure]:
    """One event a request, from 32 connections."""
    yield _measure(services, "usage.single", size=1, requests=6_000, senders=32, reach=1_500)


def measure_batch_100(services: Services) -> Iterator[Figure]:
    """100 events a request, from 8 connections."""
    yield _measure(services, "usage.batch_100", size=100, requests=1_500, senders=8, reach=35_000)


def measure_batch_1000(services: Services) -> Iterator[Figure]:
    """1,000 events a request, from 4 connections."""
    yield _measure(services, "usage.batch_1000", size=1_000, requests=200, senders=4, reach=50_000)
    yield Figure("web.memory", services.web_memory_mb(), "MB", 150, is_limit=True)


def _measure(services: Services, name: str, *, size: int, requests: int, senders: int, reach: float) -> Figure:
    traffic = Traffic()
    send(services.base, batches(services, traffic, size=size, count=requests // 5), senders)
    rates, cpu, p99 = [], [], []
    for _ in range(ROUNDS):
        prepared = batches(services, traffic, size=size, count=requests)
        before = cpu_seconds(services)
        load = send(services.base, prepared, senders)
        cpu.append((cpu_seconds(services) - before) * 1_000 / (size * requests))
        rates.append(size * requests / load.seconds)
        p99.append(load.percentile(0.99) * 1_000)
    more = {"senders": senders, "cpu_ms_per_event": round(median(cpu), 4), "p99_ms": round(median(p99), 2)}
    return Figure(name, median(rates), "events/s", reach, more={**more, "rounds": [round(rate) for rate in rates]})


def batches(
    services: Services, traffic: Traffic, *, size: int, count: int, make_key: Callable[[], str] | None = None
) -> list[bytes]:
    """Requests of `size` events each, by turns for every tenant; none repeats a key."""
    prepared = []
    for n in range(count):
        events = [traffic.event(key=make_key() if make_key else None) for _ in range(size)]
        body: Any = events[0] if size == 1 else {"events": events}
        key = services.tenants[n % len(services.tenants)][1]
        prepared.append(post(services.base, PATH, {"Authorization": f"Bearer {key}"}, msgspec.json.encode(body)))
    return prepared


def cpu_seconds(services: Services) -> float:
    """Processor time of the web server and PostgreSQL so far."""
    total = 0.0
    for process in services.processes():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
