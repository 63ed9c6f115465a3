"""Files of usage events."""
