"""Outgoing webhooks, over real HTTP."""
