"""Real PostgreSQL and Valkey out of wheels, supervised: nothing to install, nothing left behind."""
