"""Telling partners what has happened: endpoints, events, deliveries."""
