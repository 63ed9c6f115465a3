"""Tests of `dashboard/billing`."""
