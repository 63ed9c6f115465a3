"""What the sandbox refuses, in Stripe's own form."""

from __future__ import annotations

from typing import Any


class StripeFault(Exception):
    """An error answer: HTTP status, type, message, and the parameter it is about."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        decline_code: str | None = None,
        leaves_traces: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        # A declined payment was tried all the same: its traces stay. Every other fault leaves nothing behind.
        self.leaves_traces = leaves_traces
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message}}
        for name, value in (("param", param), ("code", code), ("decline_code", decline_code)):
            if value is not None:
                self.body["error"][name] = value


def missing(kind: str, object_id: str) -> StripeFault:
    """No such object."""
    return StripeFault(f"No such {kind}: '{object_id}'", status=404, param="id", code="resource_missing")
