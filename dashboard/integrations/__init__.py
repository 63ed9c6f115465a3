"""Adapters: one folder a vendor, the only importer of its SDK."""
