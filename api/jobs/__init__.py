"""What runs beside the requests, as long as the application does. One thing to know: each file is one job, and each is
safe to run in several processes at once."""
