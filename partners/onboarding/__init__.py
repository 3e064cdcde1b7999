"""From a first application to leaving the alliance: documents, steps, keys and what a key may do."""
