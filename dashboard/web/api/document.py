"""The finished OpenAPI document: what APIFlask collected, with our models and sharper parameters."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask
from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dashboard.billing.fields import MAX_ID
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.web.api.openapi import BODIES
from dashboard.web.api.problems import Problem

REF = "#/components/schemas/{model}"
# They serve the document itself.
ABOUT = {"openapi", "reference"}


def register(app: APIFlask) -> None:
    """Put the routes under /api into the document. Call when every blueprint is registered."""
    described = {rule.endpoint.rpartition(".")[0] for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    for name, blueprint in app.blueprints.items():
        blueprint.enable_openapi = name in described - ABOUT  # type: ignore[attr-defined]

    def finish(spec: dict[str, Any] | str) -> dict[str, Any] | str:
        assert isinstance(spec, dict)  # noqa: S101 (JSON, see SPEC_FORMAT)
        spec["components"]["schemas"] = _schemas(app)
        for path in spec["paths"].values():
            for operation in path.values():
                operation["parameters"] = [_parameter(each) for each in operation["parameters"]]
                if bodies := operation.pop(BODIES, None):
                    operation["requestBody"] = {"required": True, "content": bodies}
        return spec

    app.spec_callback = finish


def read(app: Flask) -> dict[str, Any]:
    """The document, made once for a process."""
    assert isinstance(app, APIFlask)  # noqa: S101 (see above)
    document = app._get_spec("json")
    assert isinstance(document, dict)  # noqa: S101 (JSON was asked for)
    return document


def _schemas(app: Flask) -> dict[str, Any]:
    """Every model that a view takes or gives, each once by its own name."""
    models: set[type[BaseModel]] = {Problem}
    for view in app.view_functions.values():
        models.update(getattr(view, "_spec", {}).get("models", ()))
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    return dict(sorted(schema["$defs"].items()))


def _parameter(given: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or it is not, it is never null; what it means stands beside its schema, not in it."""
    schema = dict(given["schema"])
    for choice in schema.pop("anyOf", ()):
        if choice.get("type") != "null":
            schema |= choice
    schema.pop("title", None)
    if schema.get("default", "") is None:
        del schema["default"]
    parameter = {**given, "schema": schema}
    if given["in"] == "path":
        parameter["required"] = True
        if schema["type"] == "integer":
            schema |= {"minimum": 1, "maximum": MAX_ID}
        if given["name"] == "usage_type":
            schema["enum"] = list(USAGE_TYPES)
    if schema.get("type") == "object":
        parameter |= {"style": "form", "explode": True}
    for name in ("description", "example"):
        if name in schema:
            parameter[name] = schema.pop(name)
    return parameter
