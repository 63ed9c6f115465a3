"""The installed Stripe SDK as the contract: what passes in the tests is held against it."""
