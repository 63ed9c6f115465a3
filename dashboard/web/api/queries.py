"""What a caller may ask for in the query, and reading it with errors in our own form."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dashboard.billing.errors import InvalidInput

Query = TypeVar("Query", bound=BaseModel)
METADATA = "metadata."
Format = Annotated[
    Literal["json", "csv"] | None, Field(description="`csv` streams the rows; `Accept: text/csv` does the same.")
]


class RangeQuery(BaseModel):
    """Which span of time: a billing period, or from and to."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    period: str | None = Field(
        default=None,
        description="`current` (when nothing is given), `previous`, or the day a billing period "
        "begins, as `2026-06-03`; with its time, as `2026-06-03T09:30:00Z`, where another began earlier that day.",
        examples=["current"],
    )
    start: str | None = Field(
        default=None,
        alias="from",
        description="Instead of a period: a date (midnight UTC) or an ISO 8601 time with offset. Hours that it cuts "
        "are counted exactly.",
    )
    stop: str | None = Field(
        default=None, alias="to", description="The end, itself not included. Now when it is left out."
    )


class SummaryQuery(RangeQuery):
    """What the summary can be asked for."""

    format: Format = None


class UsageQuery(RangeQuery):
    """What one usage type can be asked for."""

    view: Literal["all", "series", "groups", "events"] = Field(
        default="all",
        description="Which part: everything, only the series, only the groups (with `group_by`), or only the events. "
        "A `cursor` means `events`. As CSV there is one part only: with `all` the groups if there is a `group_by`, "
        "else the events.",
    )
    granularity: Literal["hour", "day"] = Field(default="day", description="The step of the series, UTC.")
    group_by: str | None = Field(
        default=None,
        description="`user`, `resource_type`, `resource` or `metadata.<key>`, such as `metadata.campaign`.",
    )
    user_id: str | None = Field(default=None, description="Only this user's.")
    resource_type: str | None = Field(default=None, description="Only resources of this type.")
    resource_id: str | None = Field(default=None, description="Only this resource's.")
    metadata: dict[str, str] = Field(
        default_factory=dict,
        description="Only where a metadata key has this value, as text: `metadata.campaign=spring`. May be repeated "
        "for other keys.",
        json_schema_extra={"propertyNames": {"pattern": r"^metadata\..+"}},
    )
    late: bool = Field(default=False, description="Only events that were recorded after their period had ended.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=100, ge=1, le=1_000, description="How many events, and how many groups at most.")
    format: Format = None


def take_no_query(view: object) -> None:
    """Say that a view has no parameters; `refuse_query` refuses any."""
    view.takes_no_query = True  # type: ignore[attr-defined]


def refuse_query(view: object) -> None:
    """Refuse the parameters of this request where its view has none; the others read theirs by `read_query`.

    Raises `InvalidInput` with the first one's name.
    """
    if getattr(view, "takes_no_query", False):
        for name in request.args:
            raise InvalidInput(name, "is not a parameter; this call takes none")


def query_once() -> dict[str, str]:
    """The parameters of this request's query.

    Raises `InvalidInput` for one that is given twice: to take either would answer another question than was asked.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidInput(name, "must be given once")
    return request.args.to_dict()


def read_query(model: type[Query]) -> Query:
    """The checked query of this request. Names that begin with `metadata.` are gathered in `metadata`.

    Raises `InvalidInput` with the parameter's name and what is allowed.
    """
    given: dict[str, Any] = dict(query_once())
    if "metadata" in model.model_fields:
        if "metadata" in given:
            raise InvalidInput("metadata", "must name a key: metadata.<key>=value")
        keys = [name for name in given if name.startswith(METADATA)]
        given["metadata"] = {name.removeprefix(METADATA): given.pop(name) for name in keys}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _refusal(model, error) from None


def _refusal(model: type[BaseModel], error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        allowed = sorted(field.alias or own for own, field in model.model_fields.items())
        return InvalidInput(name, f"is not a parameter; allowed are {', '.join(allowed)}")
    return InvalidInput(name, _allowed(model, name, first["type"], first.get("ctx", {}), first["msg"]))


def _allowed(model: type[BaseModel], name: str, kind: str, context: dict[str, Any], message: str) -> str:
    """In our own words what pydantic says in its."""
    if kind == "literal_error":
        return f"must be one of {context['expected']}".replace("'", "").replace(" or ", ", ")
    if kind.startswith(("int_", "greater_than", "less_than")):
        bounds = model.model_json_schema()["properties"][name]
        whole = next((each for each in bounds.get("anyOf", ()) if "minimum" in each), bounds)
        return f"must be a whole number from {whole['minimum']} to {whole['maximum']}"
    if kind.startswith("bool_"):
        return "must be true or false"
    return message
