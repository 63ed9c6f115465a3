"""What one transaction writes of what Stripe says, and the billing state that follows from it."""
