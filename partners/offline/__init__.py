"""Benefits where there is no network: passes that citizens carry, gates that judge them, and uses that are synced."""
