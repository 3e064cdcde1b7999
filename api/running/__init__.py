"""From a document to its answer: found, measured, permitted, paid for, compiled, run."""
