"""Consent: what it is asked for, how it is given and ended, and the receipt of it."""
