"""What bodies may ask on line for a named matter, and what is open to everybody in bulk."""
