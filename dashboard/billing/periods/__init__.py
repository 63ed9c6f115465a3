"""Billing periods: which there are, how Stripe tells of them, and where a change of plan cuts one."""
