"""The life of a subscription: bought, changed, paused, ended, and what a tenant may do with its own."""
