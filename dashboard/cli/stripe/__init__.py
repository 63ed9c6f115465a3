"""`flask stripe …`: the catalogue at Stripe (`setup`), and prices that nobody knows (`map-price`)."""

from __future__ import annotations

from flask.cli import AppGroup

from dashboard.cli.stripe.mapping import map_price
from dashboard.cli.stripe.setup import setup

stripe_commands = AppGroup("stripe", help="The catalogue at Stripe.")
for command in (setup, map_price):
    stripe_commands.add_command(command)
