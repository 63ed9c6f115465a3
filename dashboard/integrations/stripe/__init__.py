"""Stripe: gateway, signatures and what its webhooks mean."""
