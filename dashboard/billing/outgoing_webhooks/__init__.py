"""Webhooks to tenants' endpoints: announced, claimed, signed, settled, and how they fared."""
