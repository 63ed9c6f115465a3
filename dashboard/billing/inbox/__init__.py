"""What Stripe tells us: stored once, worked through, caught up with, reviewed by staff."""
