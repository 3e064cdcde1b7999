"""The credit report: all that is held about a subject, and the page it is printed on."""
