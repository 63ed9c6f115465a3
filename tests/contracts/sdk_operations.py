"""Which calls the SDK knows: method, path, parameters and answer, read out of its service files."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import stripe

PACKAGE = Path(stripe.__file__).parent
_PLACE = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `params` is the module and name of its TypedDict, `answer` the name of what it returns."""

    method: str
    path: str
    params: tuple[str, str] | None
    answer: str

    def params_class(self) -> Any:
        """The TypedDict of its parameters."""
        return getattr(import_module(self.params[0]), self.params[1]) if self.params else None


@cache
def operations() -> list[tuple[re.Pattern[str], Operation]]:
    """Every call, the most literal paths first."""
    found = [each for file in PACKAGE.rglob("*_service.py") for each in _read(file)]
    found.sort(key=lambda each: each.path.count("{"))
    return [(re.compile("^" + _PLACE.sub("[^/]+", each.path) + "$"), each) for each in found]


def find(method: str, path: str) -> Operation | None:
    """The call for a request."""
    wanted = method.lower()
    return next((each for pattern, each in operations() if each.method == wanted and pattern.match(path)), None)


def _read(file: Path) -> list[Operation]:
    tree = ast.parse(file.read_text())
    modules = {
        name.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [operation for node in functions if (operation := _operation(node, modules))]


def _operation(function: ast.FunctionDef, modules: dict[str, str]) -> Operation | None:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_request":
            method, path = _text(node.args[0]), _text(node.args[1])
            answer = _text(function.returns) if function.returns else ""
            return Operation(method, path, _params_of(function, modules), answer)
    return None


def _text(node: ast.expr) -> str:
    """A string, or the template before `.format(…)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _text(node.func.value)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def _params_of(function: ast.FunctionDef, modules: dict[str, str]) -> tuple[str, str] | None:
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            names = re.findall(r"\w+Params\b", ast.unparse(argument.annotation))
            return (modules[names[0]], names[0]) if names else None
    return None
