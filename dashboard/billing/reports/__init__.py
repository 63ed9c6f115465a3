"""Usage as people and programs read it: totals, series, splits, single actions, what came late."""
