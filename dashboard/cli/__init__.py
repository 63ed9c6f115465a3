"""The operator's commands: flask accounts …, flask billing …, flask stripe …, flask usage …"""

from __future__ import annotations

from flask import Flask

from dashboard.cli.accounts import account_commands
from dashboard.cli.billing import billing_commands
from dashboard.cli.stripe import stripe_commands
from dashboard.cli.usage import usage_commands


def register(app: Flask) -> None:
    """Add the command groups."""
    for group in (account_commands, billing_commands, stripe_commands, usage_commands):
        app.cli.add_command(group)
