"""`make demo`: everything at once on this machine, with six months of history made by the real code paths."""
