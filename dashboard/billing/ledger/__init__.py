"""The ledger: what comes into it, how it is added up, and how it is put right."""
