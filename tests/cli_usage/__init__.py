"""`flask usage import`."""
