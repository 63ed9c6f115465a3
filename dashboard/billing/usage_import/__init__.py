"""Files of usage events into the ledger: read, check, record in batches, keep how far it has come."""
