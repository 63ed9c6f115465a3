"""What a caller may have to handle. Bad input is a plain `ValueError` that names the field."""


class SpoolFull(Exception):
    """The event was not taken: the spool is at its bound, or its disk takes no more. The caller decides."""


class InvalidSignature(ValueError):
    """The request does not come from Countinghouse, was altered, or is too old."""
