"""Tenants and their people: accounts, members, invitations, keys, settings, the audit trail."""
