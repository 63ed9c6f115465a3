"""The one error callers of this package meet."""


class StackError(RuntimeError):
    """A server or program did not come up, went down, or is in use already; the message is for a person."""
