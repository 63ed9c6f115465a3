"""What a web process holds in memory and what it does without."""

from __future__ import annotations

import subprocess
import sys

from embedded.stack import ROOT

# The commands, migrations, and what vendors' SDKs bring along: some 30 MB.
NEVER = "{'aiohttp', 'alembic', 'croniter', 'dashboard.cli', 'httpx', 'requests', 'twilio.rest'}"


def test_a_web_process_imports_nothing_that_it_does_not_serve_with() -> None:
    code = f"import sys, dashboard.app; print(sorted({NEVER} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_sdk_for_which_clients_were_hidden_takes_one_that_is_asked_for_by_name() -> None:
    code = "import dashboard.integrations.stripe, stripe; print(stripe.RequestsClient(timeout=1).name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "requests"
