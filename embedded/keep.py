"""What a stack remembers between starts: passwords and the ports it used, in one file for its owner's eyes only."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from embedded.ports import free_port, is_free


class Keep:
    """A small JSON file of mode 0600, written whole at every change."""

    def __init__(self, folder: Path) -> None:
        """Read `servers.json` of the folder, if there is one."""
        self._path = folder / "servers.json"
        self._values: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def secret(self, name: str) -> str:
        """A random password, the same at every start; it needs no quoting anywhere."""
        if name not in self._values:
            self._write(name, secrets.token_hex(24))
        return self._values[name]

    def port(self, name: str) -> int:
        """A free port of 127.0.0.1, the one of the last start if nobody else has it."""
        last = int(self._values.get(name, "0"))
        port = last if last and is_free(last) else free_port()
        self._write(name, str(port))
        return port

    def _write(self, name: str, value: str) -> None:
        self._values[name] = value
        draft = self._path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self._values, indent=1))
        draft.replace(self._path)
