"""Ports of the programs around the servers: named by the operator, so a taken one is told and not swapped."""

from __future__ import annotations

import socket

from embedded.errors import StackError


def refuse_taken(port: int, variable: str) -> None:
    """StackError if something listens on this loopback port already: whoever asks there would reach a stranger."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port} is taken: stop what listens there, or choose another with {variable}=…"
            ) from error
