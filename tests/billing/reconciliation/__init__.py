"""Reconciliation: comparing, keeping what was found, repairing."""
