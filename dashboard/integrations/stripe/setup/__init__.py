"""`flask stripe setup`: what of the catalogue differs at Stripe, as steps that can be shown or done."""
