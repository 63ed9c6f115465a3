"""The catalogue and what Stripe has of it: plans, prices, meters, and what a price means."""
