"""Mail clients: IMAP, POP3, submission and ManageSieve with every SASL mechanism that takes a password.

Knows nothing of Dovecot's configuration.  ``talk.converse`` makes one session and says how far it came.
"""
