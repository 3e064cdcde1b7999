"""Where partners try things: synthetic people, faults on demand, a clock to move.
It has a database and keys of its own."""
