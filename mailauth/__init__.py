"""mailauth finds out why a Dovecot login fails, and proves it."""
