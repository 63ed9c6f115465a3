"""Counting API requests beside the calls: a line in a spool at once, the ledger a few seconds later.

The line costs a few microseconds and survives the process; see docs/decisions/0016.
"""

from __future__ import annotations

import atexit
import threading
from uuid import uuid4

import structlog
from flask import Flask, current_app, request

from dashboard.billing.ledger.api_requests import ApiRequest
from dashboard.billing.tenants.api_keys import Caller
from dashboard.config import Settings
from dashboard.integrations.spool import Spool
from dashboard.jobs.api_requests import record_request_now, record_spooled_requests
from dashboard.wiring import now

log = structlog.get_logger()
NAME = "countinghouse-api-requests"


class RequestCounter:
    """This process' spool, and the thread that brings spooled requests into the ledger."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._spool = Spool(settings.api_request_spool)
        self._interval = settings.spool_interval
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()

    def count(self, counted: ApiRequest) -> None:
        """Count one request."""
        try:
            self._spool.append(counted.as_line())
        except OSError as error:
            # Slower, but not lost.
            log.warning("the spool cannot be written", error=str(error))
            with self._app.app_context():
                record_request_now(counted, uuid4().hex)
        if self._interval and (self._thread is None or not self._thread.is_alive()):
            self._start_thread()

    def flush_now(self) -> int:
        """Record what was counted so far, here and by processes that are gone; answers how many requests."""
        self._spool.close_own()
        with self._app.app_context():
            return record_spooled_requests()

    def _start_thread(self) -> None:
        with self._start_lock:
            if self._thread is not None and self._thread.is_alive():
                return
            if self._thread is None:
                atexit.register(self._flush_quietly)
            self._thread = threading.Thread(target=self._flush_again_and_again, name=NAME, daemon=True)
            self._thread.start()

    def _flush_again_and_again(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._interval)
            self._flush_quietly()

    def _flush_quietly(self) -> None:
        try:
            self.flush_now()
        except Exception:
            log.exception("api requests could not be recorded yet; they stay in the spool")


def register(app: Flask, settings: Settings) -> None:
    """Give the application its counter. Nothing starts before the first call is counted."""
    app.extensions[NAME] = RequestCounter(app, settings)


def count_api_request(caller: Caller) -> None:
    """Count the call in hand, which this caller's key authenticated."""
    rule = request.url_rule.rule if request.url_rule else request.path
    count_call(caller, f"{request.method} {rule}")


def count_call(caller: Caller, endpoint: str) -> None:
    """Count a call of this caller; `endpoint` is its method and address."""
    counted = ApiRequest(int(now().timestamp()), caller.tenant_id, caller.key_id, caller.key_name, endpoint)
    _counter().count(counted)


def flush_now() -> int:
    """Record the current application's counted requests now; answers how many."""
    return _counter().flush_now()


def _counter() -> RequestCounter:
    counter: RequestCounter = current_app.extensions[NAME]
    return counter
