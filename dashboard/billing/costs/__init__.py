"""What usage costs: of the period so far, at its end, and on another plan."""
