"""Tests of `dashboard/jobs`."""
