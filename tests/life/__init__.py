"""The life of a subscription, a file for each journey, through the real SDK and the sandbox."""
