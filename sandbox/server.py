"""A small HTTP/1.1 server for one WSGI application: a thread a connection, connections kept open, nothing more.

Werkzeug's own closes every connection after one answer, which costs more than most answers do.
"""

from __future__ import annotations

import io
import socket
import socketserver
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

from sandbox.faults import ConnectionDropped

LONGEST_HEAD = 65_536
LONGEST_BODY = 16 * 1024 * 1024
IDLE_SECONDS = 300

Environ = dict[str, Any]


class Refused(Exception):
    """A request that is not answered by the application: status and reason."""


class Server(socketserver.ThreadingTCPServer):
    """Serves an application on an address; `port` is the one it got."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, app: Callable[..., Iterable[bytes]]) -> None:
        super().__init__((host, port), Connection)
        self.app = app
        self.host = host
        self.port: int = self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


class Connection(socketserver.StreamRequestHandler):
    """One connection, request after request."""

    server: Server
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer until the client has had enough, or an answer is dropped on purpose."""
        with suppress(TimeoutError, ConnectionError):
            while self._answer_one():
                pass
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer_one(self) -> bool:
        try:
            environ = self._read()
        except Refused as refusal:
            self._write(str(refusal), [("Content-Length", "0"), ("Connection", "close")], b"")
            return False
        if environ is None:
            return False
        stays_open = environ["HTTP_CONNECTION"].lower() != "close" and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        status, headers, body = self._call(environ)
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(body)))]
        if not stays_open:
            headers = [*headers, ("Connection", "close")]
        self._write(status, headers, b"" if environ["REQUEST_METHOD"] == "HEAD" else body)
        return bool(stays_open)

    def _call(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        """The application's answer. `ConnectionDropped` goes through: no answer is to come."""
        begun: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], problem: object = None) -> None:
            begun[:] = [status, headers]

        try:
            parts = self.server.app(environ, start)
            body = b"".join(parts)
            if close := getattr(parts, "close", None):
                close()
        except ConnectionDropped:
            raise
        except Exception:
            traceback.print_exc()
            return "500 Internal Server Error", [("Content-Type", "text/plain")], b"The sandbox failed: see its log."
        return begun[0], begun[1], body

    def _read(self) -> Environ | None:
        """The next request, or None where the client closed."""
        line = self.rfile.readline(LONGEST_HEAD)
        if not line.strip():
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Refused("400 Bad Request")
        fields = self._read_fields()
        if "HTTP_TRANSFER_ENCODING" in fields:
            raise Refused("411 Length Required")
        length = fields.get("HTTP_CONTENT_LENGTH", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refused("400 Bad Request")
        if int(length) > LONGEST_BODY:
            raise Refused("413 Content Too Large")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            # The client left in the middle: half a request must not be performed.
            raise ConnectionResetError
        path, _, query = words[1].partition("?")
        return {
            "HTTP_CONNECTION": "",
            **fields,
            "REQUEST_METHOD": words[0],
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": fields.get("HTTP_CONTENT_TYPE", ""),
            "CONTENT_LENGTH": length,
            "SERVER_NAME": self.server.host,
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": words[2],
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def _read_fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        left = LONGEST_HEAD
        while line := self.rfile.readline(left):
            left -= len(line)
            if left <= 0:
                raise Refused("431 Request Header Fields Too Large")
            if line in {b"\r\n", b"\n"}:
                return fields
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Refused("400 Bad Request")
            fields["HTTP_" + name.strip().upper().replace("-", "_")] = value.strip()
        raise ConnectionResetError

    def _write(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.wfile.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body)
