"""What every other package stands on: settings, database, cache, crypto, audit, errors, identifiers."""
