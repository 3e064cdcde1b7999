"""The demo city: synthetic, deterministic, nobody's data."""
