"""The whole way, in a real browser."""
