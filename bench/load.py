"""A load that costs the machine little: requests written out beforehand, sent over kept-open sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """How long it took, and each answer's time, in seconds."""

    seconds: float
    times: list[float]

    def percentile(self, share: float) -> float:
        """The time within which `share` of the answers came."""
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def post(base: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(base).netloc}\r\n{lines}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(base: str, path: str, headers: dict[str, str]) -> bytes:
    """A GET as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(base).netloc}\r\n{lines}\r\n".encode()


def send(base: str, requests: Sequence[bytes], senders: int) -> Load:
    """Send every request once, from `senders` connections at a time; each must be answered with a 2xx.

    Raises `RuntimeError` with the answer where one is not.
    """
    parts = urlsplit(base)
    address = (parts.hostname or "", parts.port or 80)
    shares = [requests[n::senders] for n in range(senders)]
    times: list[list[float]] = [[] for _ in shares]
    failures: list[str] = []
    start = threading.Barrier(senders + 1)

    def work(number: int) -> None:
        with socket.create_connection(address, timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            start.wait()
            for request in shares[number]:
                began = time.perf_counter()
                connection.sendall(request)
                status, body = _answer(connection)
                times[number].append(time.perf_counter() - began)
                if not 200 <= status < 300:
                    failures.append(f"{status}: {body[:300]!r}")
                    return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"a request was not answered as it should: {failures[0]}")
    return Load(took, [each for part in times for each in part])


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer that names its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return 0, data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    parts = [body]
    held = len(body)
    while held < length:
        chunk = connection.recv(262_144)
        if not chunk:
            return 0, data
        parts.append(chunk)
        held += len(chunk)
    return int(lines[0].split()[1]), b"".join(parts)
