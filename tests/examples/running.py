"""The example platform as a process of its own, as `make demo` runs it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from embedded.ports import free_port
from embedded.stack import ROOT, Stack
from examples.platform.store import Store
from tests.platform import new_tenant

TENANT = "harbor"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Platform:
    """Where it runs, and what it keeps where."""

    base: str
    folder: Path
    media: Path

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        """Act, as Ada if nobody else is named."""
        return requests.post(
            f"{self.base}/{TENANT}/{path}", json=body, headers={"Platform-User": "ada", **headers}, timeout=60
        )

    def act(self, action: str, /, **fields: Any) -> dict[str, Any]:
        """One action that must succeed; its result."""
        answer = self.post("actions?wait=1", [{"action": action, **fields}])
        assert answer.status_code == 201, answer.text
        result: dict[str, Any] = answer.json()[0]
        return result

    def health(self) -> dict[str, int]:
        """How many usage events wait, and were refused."""
        found: dict[str, int] = requests.get(f"{self.base}/health", timeout=10).json()[TENANT]
        return found

    def kept(self, kind: str) -> list[dict[str, Any]]:
        """What it keeps of a kind in its own database."""
        store = Store(self.folder / "data" / f"{TENANT}.db")
        try:
            return store.all(kind)
        finally:
            store.close()


def start(
    stack: Stack,
    folder: Path,
    countinghouse: str,
    *,
    tenant: tuple[int, str] | None = None,
    port: int | None = None,
    webhook_secret: str = SECRET,
    **more: object,
) -> tuple[Platform, Any]:
    """Start it for one tenant, a new one unless its id and key are given."""
    port = port or free_port()
    tenant_id, key = tenant or new_tenant()
    config = {
        "countinghouse": countinghouse,
        "data": str(folder / "data"),
        "media": str(folder / "media"),
        "tenants": {TENANT: {"id": tenant_id, "api_key": key, "webhook_secret": webhook_secret}},
        **more,
    }
    (folder / "config.json").write_text(json.dumps(config))
    base = f"http://127.0.0.1:{port}"
    process = stack.spawn(
        f"platform-{port}",
        [
            str(Path(sys.executable).parent / "granian"),
            *("--interface", "wsgi", "--factory", "--host", "127.0.0.1", "--port", str(port)),
            *("--blocking-threads", "4", "--no-ws", "examples.platform.app:create_app"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "client" / "src"),
            "PLATFORM_CONFIG": str(folder / "config.json"),
        },
        ready=lambda: _answers(f"{base}/health"),
    )
    return Platform(base, folder, folder / "media" / str(tenant_id)), process


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
