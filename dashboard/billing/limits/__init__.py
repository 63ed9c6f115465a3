"""Caps, budgets and alerts: what stops an action, and who is told before."""
