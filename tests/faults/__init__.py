"""Promises that hold while things are killed and everybody calls at once."""
