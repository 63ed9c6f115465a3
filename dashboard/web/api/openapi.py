"""The API's description: one decorator a view, one OpenAPI 3.1 document made from the code.

APIFlask collects the routes and the pydantic models. It checks nothing at run time: queries are checked by
`queries.read_query`, bodies by the domain, so that every error has our form and a busy route pays nothing for its
documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel

from dashboard.config import Settings
from dashboard.web.api.keys import require_scope
from dashboard.web.api.problems import ERRORS, PROBLEM
from dashboard.web.api.queries import take_no_query

BODIES = "x-bodies"
View = TypeVar("View", bound=Callable[..., Any])

TAGS = {
    "Usage events": "Report billable actions and read them back. What was recorded is never changed, only corrected.",
    "Usage reports": "Totals, series, groups and the single actions behind them. Every level adds up to the one above.",
    "Plans and billing": "Buy, change, pause and end a plan; invoices; payment methods, which Stripe alone keeps.",
    "Caps and reservations": "Stop an action before it would pass a limit. A fact is recorded all the same.",
    "Meter sync": "Send this tenant's usage to Stripe's meters now instead of at the next full hour.",
    "Texts and calls": "Send texts and make calls. Each is stored before Twilio is asked and counted once.",
    "Webhooks": "Hear of usage thresholds and billing changes by signed requests to an address of yours.",
    "From Stripe and Twilio": "Called by the two providers and signed by them; keys are of no use here.",
}
DESCRIPTION = """Every call carries a key of one tenant: `Authorization: Bearer ch_…`. A key is made on the page
API keys or by `flask accounts create-key`, and does only what its scopes allow. Times are ISO 8601, UTC in answers;
spans are half-open, so `to` itself is not included. Money is whole minor units of `currency`. An error is
`application/problem+json` (RFC 9457); where a field is to blame, `field` names it and `allowed` says what it may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: its JSON as a model, other forms by media type, headers by what they say, an example."""

    description: str
    model: type[BaseModel] | None = None
    also: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries, in one media type, with examples that work, by name."""

    model: type[BaseModel]
    examples: Mapping[str, Any]
    media_type: str = "application/json"


def describe(
    *,
    tag: str,
    answers: Mapping[int, Answer],
    scope: str | None = None,
    query: type[BaseModel] | None = None,
    headers: type[BaseModel] | None = None,
    body: Sequence[Body] = (),
    errors: tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Describe a view of the API and demand the scope it needs; its docstring is the summary and description.

    The view is not wrapped: this costs nothing when it is called. `errors` are those beside 401, 403 and 422, which
    follow from `scope`: a parameter that no view takes is refused for each of them.
    """
    statuses = {*((401, 403, 422) if scope else ()), *errors}
    responses = {status: _good(answer) for status, answer in answers.items()}
    responses |= {status: _bad(status) for status in sorted(statuses)}

    def note(view: View) -> View:
        spec: dict[str, Any] = {"tags": [tag], "responses": responses, "args": []}
        for model, location in ((query, "query"), (headers, "headers")):
            if model is not None:
                spec["args"].append((model, location))
        if scope is not None:
            require_scope(scope)(view)
            if query is None:
                take_no_query(view)
            spec["security"] = [{"key": [scope]}]
        models = [answer.model for answer in answers.values() if answer.model] + [each.model for each in body]
        # Read by `document`, which knows more about bodies than APIFlask: several media types, each with examples.
        spec |= {"models": models, "extensions": {BODIES: {each.media_type: _body(each) for each in body}}}
        view._spec = spec  # type: ignore[attr-defined]
        return view

    return note


def _body(body: Body) -> dict[str, Any]:
    examples = {name: {"value": example} for name, example in body.examples.items()}
    return {"schema": {"$ref": f"#/components/schemas/{body.model.__name__}"}, "examples": examples}


def _good(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if answer.model is not None:
        content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{answer.model.__name__}"}}
        if answer.example is not None:
            content["application/json"]["example"] = answer.example
    for media_type, what in answer.also.items():
        content[media_type] = {"schema": {"type": "string", "description": what}}
    headers = {name: {"description": what, "schema": {"type": "string"}} for name, what in answer.headers.items()}
    parts = {"content": content, "headers": headers}
    return {"description": answer.description, **{name: part for name, part in parts.items() if part}}


def _bad(status: int) -> dict[str, Any]:
    error = ERRORS[status]
    headers = {name: {"description": what, "schema": {"type": "string"}} for name, what in error.headers.items()}
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": error.example(status)}}
    return {"description": error.description, "content": content, **({"headers": headers} if headers else {})}


def configure(app: Flask, settings: Settings) -> None:
    """Tell APIFlask what the document says of the API as a whole. Call before the blueprints are registered."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        INFO={"description": DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        SERVERS=[{"url": settings.public_url}],
        TAGS=[{"name": name, "description": what} for name, what in TAGS.items()],
        SECURITY_SCHEMES={
            "key": {"type": "http", "scheme": "bearer", "description": "A key of one tenant: `ch_7_…`."},
        },
        AUTO_OPERATION_ID=True,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
