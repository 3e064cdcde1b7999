"""The registry: who is on file, under which numbers and names, until when, and as one."""
