"""Usage of services in the same process."""
