"""`flask stripe …`: the catalogue (`setup`, `map-price`) and the webhook inbox (`replay`, `catch-up`)."""

from __future__ import annotations

from flask.cli import AppGroup

from dashboard.cli.stripe.mapping import map_price
from dashboard.cli.stripe.setup import setup
from dashboard.cli.stripe.webhooks import catch_up_events, replay_events

stripe_commands = AppGroup("stripe", help="The catalogue at Stripe.")
for command in (setup, map_price, replay_events, catch_up_events):
    stripe_commands.add_command(command)
