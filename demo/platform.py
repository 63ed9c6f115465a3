"""The example platform as one more program of the demo, and the way to act on it."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from demo.accounts import DemoTenant
from embedded.stack import ROOT, Stack


def add_webhook_endpoints(countinghouse: str, platform: str, tenants: list[DemoTenant]) -> dict[str, str]:
    """Have Countinghouse tell the platform what happens, as each tenant's integrator does; the secrets by tenant."""
    secrets = {}
    for tenant in tenants:
        answer = requests.post(
            f"{countinghouse}/api/webhook-endpoints",
            json={"url": f"{platform}/{tenant.slug}/webhooks/countinghouse"},
            headers={"Authorization": f"Bearer {tenant.key}"},
            timeout=10,
        )
        answer.raise_for_status()
        secrets[tenant.slug] = answer.json()["secret"]
    return secrets


def write_platform_config(
    path: Path, countinghouse: str, media: Path, tenants: list[DemoTenant], webhook_secrets: dict[str, str]
) -> None:
    """Give the platform its tenants, their keys and secrets; readable by this user only."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    config = {
        "countinghouse": countinghouse,
        "data": str(path.parent / "data"),
        "media": str(media),
        "accepts_action_time": True,
        "tenants": {
            tenant.slug: {
                "id": tenant.id,
                "api_key": tenant.key,
                "webhook_secret": webhook_secrets[tenant.slug],
            }
            for tenant in tenants
        },
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))


def start_example_platform(stack: Stack, config: Path, port: int) -> ExamplePlatform:
    """Start it; the client is taken from `client/`, as it is no part of Countinghouse's own installation."""
    platform = ExamplePlatform(f"http://127.0.0.1:{port}")
    stack.spawn(
        "platform",
        [
            str(Path(sys.executable).parent / "granian"),
            *("--interface", "wsgi", "--factory", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--blocking-threads", "4", "--no-ws", "--log-level", "warning"),
            "examples.platform.app:create_app",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "client" / "src"), "PLATFORM_CONFIG": str(config)},
        ready=platform.answers,
    )
    return platform


class ExamplePlatform:
    """Speaks to the running platform. One session a tenant, as each tenant is spoken to by one thread at a time."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._http: dict[str, requests.Session] = {}
        self.stopped: Counter[str] = Counter()

    def answers(self) -> bool:
        """Whether it answers."""
        try:
            return requests.get(f"{self.base}/health", timeout=2).ok
        except requests.RequestException:
            return False

    def health(self) -> dict[str, dict[str, int]]:
        """For each tenant how many usage events are `waiting`, and were `refused`."""
        answer = requests.get(f"{self.base}/health", timeout=10)
        answer.raise_for_status()
        found: dict[str, dict[str, int]] = answer.json()
        return found

    def act(self, tenant: str, actions: list[dict[str, Any]]) -> None:
        """Do these actions and wait until their usage is in the ledger; counts what a tenant's limits `stopped`."""
        if not actions:
            return
        http = self._http.setdefault(tenant, requests.Session())
        answer = http.post(f"{self.base}/{tenant}/actions?wait=1", json=actions, timeout=60)
        if answer.status_code != 201:
            raise RuntimeError(f"the platform answered {answer.status_code}: {answer.text[:300]}")
        self.stopped[tenant] += sum("stopped" in result for result in answer.json())
