"""For monitoring: each check looks, judges and answers OK, WARNING, CRITICAL or UNKNOWN."""
