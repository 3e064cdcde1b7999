"""Who gives benefits, and to whom."""
