"""The reference for people at /api/docs: the OpenAPI document as a page, without a login and without scripts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from markupsafe import Markup, escape

from dashboard.web.api import document

blueprint = Blueprint("reference", __name__, url_prefix="/api/docs")


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One parameter or member: its name, where or what it is, and what it means."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer: its members where it is a good one, an example."""

    status: str
    description: str
    fields: tuple[FieldRow, ...]
    example: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call as its card shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str | None
    parameters: tuple[FieldRow, ...]
    bodies: tuple[tuple[str, tuple[FieldRow, ...]], ...]
    curl: str
    outcomes: tuple[Outcome, ...]
    errors: tuple[Outcome, ...]


@blueprint.get("")
def index() -> str:
    """The whole reference on one page."""
    spec = document.read(current_app)
    groups = [(tag["name"], tag["description"], list(_operations(spec, tag["name"]))) for tag in spec["tags"]]
    return render_template("api/reference.html", info=spec["info"], groups=[each for each in groups if each[2]])


@blueprint.app_template_filter("code_spans")
def code_spans(text: str) -> Markup:
    """Plain text with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _operations(spec: dict[str, Any], tag: str) -> Iterator[Operation]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if tag in operation.get("tags", ()):
                yield _operation(spec, path, method.upper(), operation)


def _operation(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Operation:
    scopes = [scope for each in operation.get("security", ()) for names in each.values() for scope in names]
    content = operation.get("requestBody", {}).get("content", {})
    outcomes = tuple(_outcome(spec, status, given) for status, given in operation["responses"].items())
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"].rstrip("."),
        description=operation.get("description", ""),
        scope=scopes[0] if scopes else None,
        parameters=tuple(
            FieldRow(
                each["name"],
                f"{each['in']}, {_kind(spec, each['schema'])}",
                each["required"],
                each.get("description", ""),
            )
            for each in operation["parameters"]
        ),
        bodies=tuple((kind, _rows(spec, body["schema"])) for kind, body in content.items()),
        curl=_curl(spec, path, method, operation, content),
        outcomes=tuple(each for each in outcomes if each.status < "400"),
        errors=tuple(each for each in outcomes if each.status >= "400"),
    )


def _outcome(spec: dict[str, Any], status: str, given: dict[str, Any]) -> Outcome:
    good = given.get("content", {}).get("application/json", {})
    fields = _rows(spec, good["schema"]) if good else ()
    example = json.dumps(good["example"], indent=2, ensure_ascii=False) if "example" in good else None
    return Outcome(status, given["description"], fields, example)


def _rows(spec: dict[str, Any], schema: dict[str, Any]) -> tuple[FieldRow, ...]:
    return tuple(_fields(spec, schema, "", set()))


def _fields(spec: dict[str, Any], schema: dict[str, Any], prefix: str, seen: set[str]) -> Iterator[FieldRow]:
    """The members of an object, then with their path those of objects inside it; each kind of object once."""
    name = schema.get("$ref", "")
    if name in seen:
        return
    seen.update({name} - {""})
    schema = _resolved(spec, schema)
    for choice in schema.get("anyOf", ()):
        yield from _fields(spec, choice, prefix, seen)
    if schema.get("type") == "array":
        yield from _fields(spec, schema["items"], f"{prefix.removesuffix('.')}[]." if prefix else "", seen)
    for name, member in schema.get("properties", {}).items():
        description = member.get("description") or _resolved(spec, member).get("description", "")
        yield FieldRow(f"{prefix}{name}", _kind(spec, member), name in schema.get("required", ()), description)
        yield from _fields(spec, member, f"{prefix}{name}.", seen)


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = spec["components"]["schemas"][name] if name else schema
    return found


def _kind(spec: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    schema = _resolved(spec, schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(spec, choice) for choice in schema["anyOf"]))
    if len(values := schema.get("enum", ())) > 0:
        return "one of " + ", ".join(map(str, values)) if len(values) <= 7 else "one of the 16 types"
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(spec, schema['items'])}"
    if kind == "integer" and "minimum" in schema and abs(schema.get("maximum", 2**63)) < 10**6:
        return f"whole number, {schema['minimum']} to {schema['maximum']}"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return "time" if schema.get("format") == "date-time" else words.get(kind, kind)


def _curl(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any], content: dict[str, Any]) -> str:
    path = re.sub(r"\{\w+\}", "17", path.replace("{usage_type}", "AI_MESSAGE_GENERATED"))
    lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{spec['servers'][0]['url']}{path}"]
    if operation.get("security"):
        lines.append('-H "Authorization: Bearer $KEY"')
    for media_type, body in list(content.items())[:1]:
        example = next(iter(body["examples"].values()))["value"]
        lines += [f"-H 'Content-Type: {media_type}'", f"-d {shlex.quote(json.dumps(example, ensure_ascii=False))}"]
    return " \\\n  ".join(lines)
