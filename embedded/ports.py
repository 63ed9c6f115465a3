"""Ports of 127.0.0.1: free ones for the servers, and a clear word where one that was named is taken."""

from __future__ import annotations

import socket

from embedded.errors import StackError


def is_free(port: int) -> bool:
    """Whether a server could listen there; a port that only rests after use is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Any free port; it may be taken before it is used, so whoever starts a server there tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_taken(port: int, variable: str) -> None:
    """StackError if something listens on a port the operator named: whoever asks there would reach a stranger."""
    if not is_free(port):
        raise StackError(f"port {port} is taken: stop what listens there, or choose another with {variable}=…")
