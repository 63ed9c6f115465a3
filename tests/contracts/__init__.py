"""The installed Stripe SDK as the contract: every request, answer and webhook of the tests is held against it."""
