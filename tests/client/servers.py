"""What stands at the other end: the application, one that never answers, and a line that loses answers."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server


class AppServer:
    """The real application on a real socket."""

    def __init__(self, app: Flask, port: int) -> None:
        self._app, self._port = app, port
        self.base = f"http://127.0.0.1:{port}"
        self._server: BaseWSGIServer | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Answer."""
        self._server = make_server("127.0.0.1", self._port, self._app, threaded=True)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """Answer no more: connections are refused."""
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


class Listener:
    """A socket and a thread that serves one connection after the other."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ended = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            if select.select([self._socket], [], [], 0.02)[0]:
                with self._socket.accept()[0] as connection, suppress(OSError):
                    self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        """What happens to one connection."""
        raise NotImplementedError


class SilentServer(Listener):
    """Takes a request whole and answers nothing, for as long as it lives."""

    def __init__(self) -> None:
        self.holds_request = Event()
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Read what there is, say that it is held, and keep the connection."""
        connection.recv(65_536)
        self.holds_request.set()
        self._ended.wait()


class CannedServer(Listener):
    """Gives the answers it was told to, the last one for ever, and keeps what it got."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """One request, one answer."""
        head, body = read_message(connection)
        if head:
            self.heads.append(head)
            self.bodies.append(body)
            connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


class LossyLine(Listener):
    """Carries requests to a server and loses the first `losses` answers: the work is done, nobody hears of it."""

    def __init__(self, target: str, losses: int) -> None:
        self._target, self.losses = urlsplit(target), losses
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """One request; its answer is read whole before it is passed on or lost."""
        head, body = read_message(connection)
        if not head:
            return
        head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with socket.create_connection((self._target.hostname, self._target.port)) as upstream:
            upstream.sendall(head + body)
            answer = b"".join(read_message(upstream))
        if self.losses:
            self.losses -= 1
            return
        connection.sendall(answer)


def read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head (with its empty line) and the body of an HTTP message; two empty ones if none comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        if not received:
            return b"", b""
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n", body


def http_answer(status: str, body: str = "{}", kind: str = "application/json", *headers: str) -> bytes:
    """An HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", body]).encode()
