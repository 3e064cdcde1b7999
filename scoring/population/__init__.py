"""The same models over everybody at once, as SQL."""
