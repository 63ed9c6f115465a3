"""Invoices: our mirror of them, their lists and lines, each line explained, and amounts proposed for the next."""
