"""`make bench`: how fast, on this machine, with durable writes. Starts its own services and prints JSON lines."""
