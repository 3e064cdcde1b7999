"""Performance as ratios. One thing to know: every figure is measured beside a hand-written handler that does the same
work, in the same run, on the same database, so that a slower machine changes the numbers and not the ratios."""
