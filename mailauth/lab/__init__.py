"""A real disposable Dovecot, of any version, with a real store: for tests, rehearsals and proofs.

Nothing of it is left when its caller ends, however it ends.
"""

from mailauth.lab.databases import MariaDB, Postgres
from mailauth.lab.dovecot import Lab
from mailauth.lab.stores import KINDS, STORES

__all__ = ["KINDS", "STORES", "Lab", "MariaDB", "Postgres"]
