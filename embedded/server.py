"""What the two embedded servers have in common: to come up on a port that somebody may take first."""

from __future__ import annotations

from typing import Protocol

from embedded.errors import StackError
from embedded.ports import is_free
from embedded.process import Process

ATTEMPTS = 3
SECONDS = 60.0  # a recovery after a crash takes its time


class Server(Protocol):
    """A server that can be launched on a port of its own choice."""

    port: int

    def launch(self) -> Process:
        """Choose a port and start."""
        ...

    def answers(self) -> bool:
        """Whether this very server answers a query."""
        ...


def bring_up(server: Server, processes: list[Process]) -> None:
    """Launch until it answers; held in `processes` at once, so that an interruption leaves nothing unheld."""
    for attempt in range(ATTEMPTS):
        process = server.launch()
        processes.append(process)
        try:
            process.wait_until(server.answers, SECONDS)
        except StackError:
            process.stop()
            processes.remove(process)
            if attempt == ATTEMPTS - 1 or is_free(server.port):
                raise
        else:
            return
