"""CloudEvents 1.0 (JSON) as usage events: structured mode and batched mode.

`type` is the usage type, `source` and `id` together are the idempotency key (they identify a CloudEvent), `time` is
when it happened, `subject` who did it. `data` holds the rest under the names of a usage event: `quantity`, `user_id`,
`resource_type`, `resource_id`, `metadata`, `corrects_id`. Extension attributes are kept in the metadata.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.billing.errors import InvalidInput

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_ATTRIBUTES = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data", "data_base64"}
)
_IN_DATA = frozenset({"quantity", "user_id", "resource_type", "resource_id", "metadata", "corrects_id"})
# What a field of a usage event is called in the CloudEvent.
_NAMES = {"usage_type": "type", "idempotency_key": "id", "occurred_at": "time", "event": "event"}


def usage_of_cloudevent(raw: object) -> dict[str, Any]:
    """The usage event that a CloudEvent carries, unchecked but for what makes it a CloudEvent.

    Raises `InvalidInput` with the attribute's name.
    """
    if not isinstance(raw, Mapping):
        raise InvalidInput("event", "must be a JSON object")
    if raw.get("specversion") != "1.0":
        raise InvalidInput("specversion", 'must be "1.0"')
    for name in ("id", "source", "type"):
        if not isinstance(raw.get(name), str) or not raw[name]:
            raise InvalidInput(name, "must be a text of 1 or more characters")
    data = raw.get("data", {})
    if not isinstance(data, Mapping) or "data_base64" in raw:
        raise InvalidInput("data", "must be a JSON object")
    unknown = sorted(str(name) for name in data if name not in _IN_DATA)
    if unknown:
        raise InvalidInput(f"data.{unknown[0]}", f"is not a field; allowed are {', '.join(sorted(_IN_DATA))}")
    usage = {
        "usage_type": raw["type"],
        "idempotency_key": f"{raw['source']}#{_plain(raw['id'])}",
        "occurred_at": raw.get("time"),
        "user_id": raw.get("subject"),
        **data,
    }
    extensions = {str(name): value for name, value in raw.items() if name not in _ATTRIBUTES}
    if extensions:
        usage["metadata"] = _with_extensions(data.get("metadata"), extensions)
    return usage


def _plain(id_: str) -> str:
    """An id without `#`, so that the last one in a key is where the source ends: no two CloudEvents share a key."""
    return id_.replace("%", "%25").replace("#", "%23")


def _with_extensions(metadata: object, extensions: dict[str, Any]) -> dict[str, Any]:
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        raise InvalidInput("data.metadata", "must be a JSON object")
    if "cloudevent" in metadata:
        raise InvalidInput("data.metadata", "must not hold cloudevent: the extension attributes are kept there")
    return {**metadata, "cloudevent": extensions}


def in_cloudevent_terms(problem: InvalidInput, raw: object) -> InvalidInput:
    """The problem with the field named as the CloudEvent has it."""
    data = raw.get("data") if isinstance(raw, Mapping) else None
    field = _NAMES.get(problem.field)
    if field == "id":
        return InvalidInput("id", f"source, # and id together are the idempotency key, which {problem.message}")
    if field is None:
        in_data = isinstance(data, Mapping) and problem.field in data
        field = "subject" if problem.field == "user_id" and not in_data else f"data.{problem.field}"
    return InvalidInput(field, problem.message)
