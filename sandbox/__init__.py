"""A stand-in Stripe and Twilio: one process that speaks HTTP to the official SDKs, keeps its state, owns a clock."""
