"""One module for each family of Stripe's objects: how it is fetched, and how it overwrites our copy."""
