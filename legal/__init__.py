"""What a credit result may be used for. An auditor begins here: guard.py from the bottom, then effects.py."""
