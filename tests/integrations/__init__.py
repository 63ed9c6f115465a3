"""Tests of `dashboard/integrations`."""
