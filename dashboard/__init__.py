"""Countinghouse: the billing dashboard of a multi-tenant messaging platform."""
