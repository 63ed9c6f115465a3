"""Holding values against type hints of the SDK: form strings against TypedDicts, JSON against resource classes."""

from __future__ import annotations

import builtins
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import typing_extensions
from stripe import ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES, get_object_class
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

Checker = Callable[[Any, Any, str], list[str]]
WRAPPERS = {typing.NotRequired, typing_extensions.NotRequired, typing.Required, typing_extensions.Required}
_FORMS = {int: r"-?\d+", bool: "true|false", float: r"-?\d+(\.\d+)?", Decimal: r"-?\d+(\.\d+)?"}


class _Names(dict[str, Any]):
    """Names of a module; one that is imported for type checking only stands for itself."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return getattr(typing, name, None) or ForwardRef(name)


@cache
def fields_of(owner: Any) -> dict[str, Any]:
    """The hints of a resource class or TypedDict, its bases included, request options left out."""
    hints: dict[str, Any] = {}
    for base in reversed(owner.__mro__ if owner.__mro__[1] is not dict else _typed_bases(owner)):
        if base in {StripeObject, object, dict, RequestOptions} or base.__module__ in {"typing", "builtins"}:
            continue
        names = _Names(vars(sys.modules[base.__module__]))
        for name, hint in inspect.get_annotations(base).items():
            hints[name] = _resolved(hint, names)
    options = RequestOptions.__annotations__ if hasattr(owner, "__required_keys__") else {}
    return {name: hint for name, hint in hints.items() if name not in options and name.islower()}


def _typed_bases(owner: Any) -> tuple[Any, ...]:
    """TypedDicts forget their bases; `__orig_bases__` remembers."""
    bases: list[Any] = [owner]
    for base in getattr(owner, "__orig_bases__", ()):
        if base is not typing_extensions.TypedDict and hasattr(base, "__annotations__"):
            bases += _typed_bases(base)
    return tuple(bases)


def _resolved(hint: Any, names: _Names) -> Any:
    """The hint with every name of the module put in; NotRequired and its like are taken off."""
    if isinstance(hint, ForwardRef | str):
        text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
        if text.isidentifier() and text not in names and not hasattr(builtins, text):
            return ForwardRef(text)
        # Unions of strings are written with "|", which a ForwardRef does not understand: so member by member.
        members = [eval(part, {}, names) for part in _split_union(text)]  # noqa: S307 (the SDK's own source)
        return Union[tuple(_resolved(member, names) for member in members)]  # noqa: UP007 (made of a list)
    origin = get_origin(hint)
    if origin in WRAPPERS:
        return _resolved(get_args(hint)[0], names)
    if origin in {Union, types.UnionType}:
        return Union[tuple(_resolved(member, names) for member in get_args(hint))]  # noqa: UP007
    if origin is list:
        return list[_resolved(get_args(hint)[0], names)]  # type: ignore[misc]
    return hint


def _split_union(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "[(") - (char in "])")
        if char == "|" and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def _choices(hint: Any) -> list[Any]:
    """The members of a union, or the hint alone."""
    if get_origin(hint) in {Union, types.UnionType}:
        return [choice for member in get_args(hint) for choice in _choices(member)]
    return [hint]


def is_optional(hint: Any) -> bool:
    """Whether null is allowed."""
    return type(None) in _choices(hint) or Any in _choices(hint)


def _against_choices(value: Any, hint: Any, path: str, check: Checker) -> list[str]:
    """Right if one member of the union takes it. `Literal[…] | str` is a closed list: the str is for later versions."""
    choices = _choices(hint)
    literals = {each for choice in choices if get_origin(choice) is Literal for each in get_args(choice)} - {""}
    clears = any(get_origin(choice) is Literal and "" in get_args(choice) for choice in choices)
    if clears and value == "":
        return []
    if literals and isinstance(value, str):
        if value in literals:
            return []
        others = [c for c in choices if get_origin(c) is not Literal and c not in {str, type(None)}]
        if not others:
            return [f"{path}: {value!r} is none of {', '.join(sorted(map(str, literals)))[:200]}"]
        choices = others
    problems: list[str] = []
    for choice in choices:
        if get_origin(choice) is Literal and value not in get_args(choice):
            problems = problems or [f"{path}: {value!r} is not {get_args(choice)[:5]}"]
            continue
        found = [] if get_origin(choice) is Literal else check(value, choice, path)
        if not found:
            return []
        problems = found if not problems or len(found) < len(problems) else problems
    return problems


def check_form(value: Any, hint: Any, path: str) -> list[str]:
    """A decoded form value (strings, dicts, lists) against a parameter's hint."""
    return _against_choices(value, hint, path, _form_value)


def _form_value(value: Any, hint: Any, path: str) -> list[str]:
    origin = get_origin(hint) or hint
    if hint is Any or isinstance(hint, ForwardRef):
        return []
    if hint is str:
        return [] if isinstance(value, str) else [f"{path}: must be a text"]
    if hint in _FORMS:
        good = isinstance(value, str) and re.fullmatch(_FORMS[hint], value)
        return [] if good else [f"{path}: {value!r} is no {hint.__name__}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: must be a list"]
        return [p for n, each in enumerate(value) for p in check_form(each, get_args(hint)[0], f"{path}[{n}]")]
    if origin is dict or origin is UntypedStripeObject:
        good = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        return [] if good else [f"{path}: must be a map of texts"]
    if isinstance(origin, type) and hasattr(origin, "__required_keys__"):
        return check_typed_dict(value, origin, path)
    return [] if hint is not type(None) else [f"{path}: must not be sent"]


def check_typed_dict(value: Any, wanted: Any, path: str) -> list[str]:
    """Known names only, required ones present, each of its type."""
    if not isinstance(value, dict):
        return [f"{path or 'parameters'}: must be a map"]
    hints = fields_of(wanted)
    required = set(wanted.__required_keys__) & set(hints)
    lead = f"{path}." if path else ""
    problems = [f"{lead}{name}: unknown" for name in value if name not in hints]
    problems += [f"{lead}{name}: missing" for name in sorted(required - set(value))]
    for name, each in value.items():
        if name in hints:
            problems += check_form(each, hints[name], f"{lead}{name}")
    return problems


def check_json(value: Any, hint: Any, path: str) -> list[str]:
    """A JSON value of an answer against a field's hint."""
    return _against_choices(value, hint, path, _json_value)


def _json_value(value: Any, hint: Any, path: str) -> list[str]:
    origin = get_origin(hint) or hint
    if hint is Any:
        return []
    if hint is type(None):
        return [] if value is None else [f"{path}: must be null"]
    if isinstance(hint, ForwardRef) or origin is ListObject:
        return check_object(value, path)
    if hint is Decimal:
        good = isinstance(value, str) and re.fullmatch(_FORMS[Decimal], value)
        return [] if good else [f"{path}: must be a decimal as a text"]
    if hint in {int, float, str, bool}:
        kinds = (int, float) if hint is float else hint
        good = isinstance(value, kinds) and (hint is bool or not isinstance(value, bool))
        return [] if good else [f"{path}: {value!r} is no {hint.__name__}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: must be a list"]
        return [p for n, each in enumerate(value) for p in check_json(each, get_args(hint)[0], f"{path}[{n}]")]
    if origin in {dict, UntypedStripeObject}:
        return [] if isinstance(value, dict) else [f"{path}: must be a map"]
    if isinstance(origin, type) and issubclass(origin, StripeObject):
        return check_fields(value, origin, path)
    return [f"{path}: the checker does not know {hint!r}"]


def check_object(value: Any, path: str) -> list[str]:
    """An object by its own `object` field."""
    if not isinstance(value, dict) or not isinstance(value.get("object"), str):
        return [f"{path}: must be an object with its kind"]
    kind = value["object"]
    if kind == "list":
        rows = value.get("data")
        problems = [f"{path}.{name}: missing" for name in ("data", "has_more", "url") if name not in value]
        return problems + [p for n, row in enumerate(rows or []) for p in check_object(row, f"{path}.data[{n}]")]
    if value.get("deleted") is True:
        return [] if isinstance(value.get("id"), str) else [f"{path}.id: missing"]
    if kind not in OBJECT_CLASSES:
        return [f"{path}.object: the SDK has no {kind!r}"]
    return check_fields(value, get_object_class("V1", kind), path)


def check_fields(value: Any, wanted: Any, path: str) -> list[str]:
    """Known fields only, those that are never null present, each of its type."""
    if not isinstance(value, dict):
        return [f"{path}: must be a map"]
    hints = fields_of(wanted)
    problems = [f"{path}.{name}: unknown to {wanted.__name__}" for name in value if name not in hints]
    problems += [f"{path}.{name}: missing" for name in hints if name not in value and not is_optional(hints[name])]
    for name, each in value.items():
        if name in hints:
            problems += check_json(each, hints[name], f"{path}.{name}")
    return problems
