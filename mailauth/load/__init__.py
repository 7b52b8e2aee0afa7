"""Many logins at a known rate: how many a server holds, and what happens beyond."""
