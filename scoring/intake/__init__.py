"""Departments' files, read row by row into records. Pure: no database. One thing to know: nothing is guessed."""
