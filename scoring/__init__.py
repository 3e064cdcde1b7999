"""How a score is made, kept and explained."""
