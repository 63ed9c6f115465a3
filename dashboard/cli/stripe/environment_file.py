"""Environment lines in a file that only its owner may read, because some of them are secrets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkstemp

import click


def write_environment(path: Path, lines: Iterable[tuple[str, str]]) -> None:
    """Set variables in the file; every other line of it stays. The file is whole at every moment, with mode 0600.

    Raises `click.ClickException` where it cannot be read or written.
    """
    path = path.resolve()  # a link stays a link
    try:
        before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        text = "\n".join(_merged(before, dict(lines))) + "\n"
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error


def _merged(before: list[str], values: dict[str, str]) -> list[str]:
    """The lines of before with the values in their places, and the new ones at the end."""
    merged, left = [], dict(values)
    for line in before:
        name = line.partition("=")[0].removeprefix("export ").strip()
        if name not in values:
            merged.append(line)
        elif name in left:
            prefix = "export " if line.startswith("export ") else ""
            merged.append(f"{prefix}{name}={left.pop(name)}")
    return merged + [f"{name}={value}" for name, value in left.items()]
