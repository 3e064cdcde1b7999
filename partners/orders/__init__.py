"""Orders that are paid later."""
