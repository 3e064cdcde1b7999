"""Cases: what a subject asks to be looked at again, and what becomes of it."""
