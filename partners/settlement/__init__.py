"""What is settled between partners and those who bear the cost of benefits, and what is reported about use."""
