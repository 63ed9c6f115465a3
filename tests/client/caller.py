"""A service that reports its usage; the tests start it as a process and kill it. `caller.py MODE BASE KEY SPOOL`.

It prints the key of each event once `record` has returned.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from itertools import count

from countinghouse_client import Countinghouse, SpoolFull

EVENT = "AI_MESSAGE_GENERATED"
Client = Countinghouse


def stream(client: Client) -> None:
    """Report until killed."""
    for n in count():
        report(client, n)


def fork(client: Client) -> None:
    """Report before a fork, in the child and in the parent."""
    report(client, 0)
    child = os.fork()
    for n in range(3):
        report(client, n)
    if child == 0:
        # A child ends like this in multiprocessing: without the functions registered for the exit.
        os._exit(0 if client.flush(30) else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit("the child could not send")


def imports(client: Client) -> None:
    """Send, and print the modules that were imported for it."""
    known = set(sys.modules)
    client.record(EVENT)
    client.flush(30)
    for name in set(sys.modules) - known:
        os.write(1, f"{name}\n".encode())


def leave(client: Client) -> None:
    """Report and end without a word to the client."""
    report(client, 0)


def fill_disk(client: Client) -> None:
    """Report until the disk takes no more, which a limit on the size of a file stands for, and once more after it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        stream(client)
    except SpoolFull:
        report(client, 0)
    os._exit(0)


def report(client: Client, n: int) -> None:
    """One event, told to whoever started us."""
    key = client.record(EVENT, 1, user="ada", resource=("conversation", f"c-{n}"))
    os.write(1, f"{key}\n".encode())


if __name__ == "__main__":
    mode, base, api_key, spool = sys.argv[1:]
    modes: dict[str, Callable[[Client], None]] = {
        "stream": stream,
        "fork": fork,
        "imports": imports,
        "leave": leave,
        "fill": fill_disk,
    }
    modes[mode](Countinghouse(base, api_key, spool=spool, linger=0.001, exit_timeout=60))
