"""The sender against endpoints that are slow, wrong, private or gone: bounded, and told in words."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from dashboard.integrations.webhook_sender import WebhookSender
from tests.receiver import receiving

OPEN = WebhookSender(allow_private=True, seconds=1)


@contextmanager
def talking(talk: Callable[[socket.socket, Event], None]) -> Iterator[str]:
    """A server that says whatever `talk` writes to its first caller."""
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            caller, _ = server.accept()
            with caller:
                try:
                    talk(caller, done)
                except OSError:
                    done.set()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            done.set()
            thread.join(10)


def test_a_post_carries_body_headers_and_query() -> None:
    with receiving() as receiver:
        answer = OPEN.send(f"{receiver.url}?a=1", {"webhook-id": "msg_1"}, '{"é": 1}')
    assert (answer.status, answer.error, answer.is_success) == (200, None, True)
    (request,) = receiver.received
    assert (request.path, request.body.decode(), request.headers["webhook-id"]) == ("/hooks?a=1", '{"é": 1}', "msg_1")
    assert request.headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://localhost:1/", "https://[::1]:1/"])
def test_a_private_address_is_not_connected_to(url: str) -> None:
    answer = WebhookSender(allow_private=False).send(url, {}, "{}")
    assert answer.status is None
    assert "not public" in (answer.error or "")


def test_plain_http_is_not_sent_to_the_public() -> None:
    with receiving() as receiver:
        answer = WebhookSender(allow_private=False).send(receiver.url, {}, "{}")
    assert answer.error == "only https is allowed"
    assert receiver.received == []


def test_an_answer_that_drips_is_cut_off() -> None:
    def drip(caller: socket.socket, done: Event) -> None:
        caller.sendall(b"HTTP/1.1 ")
        while not done.wait(0.1):
            caller.sendall(b"2")

    with talking(drip) as url:
        answer = OPEN.send(url, {}, "{}")
    assert (answer.status, answer.error) == (None, "no answer within 1 s")
    assert 900 <= answer.duration_ms < 3_000


def test_silence_is_cut_off() -> None:
    with talking(lambda _, done: assert_true(done.wait(20))) as url:
        answer = OPEN.send(url, {}, "{}")
    assert answer.error == "no answer within 1 s"


def assert_true(held: bool) -> None:
    assert held


def test_a_body_without_end_is_cut_at_a_kilobyte() -> None:
    def pour(caller: socket.socket, done: Event) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not done.is_set():
            caller.sendall(b"x\x00" * 10_000)

    with talking(pour) as url:
        answer = OPEN.send(url, {}, "{}")
    assert (answer.status, len(answer.text), "\x00" in answer.text) == (200, 1_024, False)


def test_a_body_that_breaks_off_does_not_undo_the_status() -> None:
    def break_off(caller: socket.socket, _: Event) -> None:
        caller.recv(65_536)
        caller.sendall(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab")

    with talking(break_off) as url:
        assert OPEN.send(url, {}, "{}").status == 201


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 many\r\n\r\n"])
def test_what_is_no_http_is_told(said: bytes) -> None:
    def say(caller: socket.socket, _: Event) -> None:
        caller.recv(65_536)
        caller.sendall(said)

    with talking(say) as url:
        assert OPEN.send(url, {}, "{}").error == "its answer is not HTTP"


def test_a_server_without_tls_is_told() -> None:
    def say(caller: socket.socket, _: Event) -> None:
        caller.recv(65_536)
        caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with talking(say) as url:
        answer = OPEN.send(url.replace("http:", "https:"), {}, "{}")
    assert answer.error == "it speaks no TLS we understand"


def test_a_closed_port_and_an_unknown_name_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert OPEN.send(f"http://127.0.0.1:{port}/", {}, "{}").error == "the connection was refused"
    assert OPEN.send("http://nowhere.invalid/", {}, "{}").error == "nowhere.invalid has no address"
