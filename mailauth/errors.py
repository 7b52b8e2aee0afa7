"""The errors mailauth raises on purpose. Anything else that escapes is a bug of ours.

Expected answers (a mismatch, no such user, a malformed hash) are values, not errors.
A message says what, where, and what to do, in one sentence, and never holds a secret.
"""


class MailauthError(Exception):
    """Base of those below."""


class UsageError(MailauthError):
    """The reader can mend it now: a wrong argument, no such file. Exit status 2."""


class CannotObserve(MailauthError):  # noqa: N818 - it is a state of the world, not a fault
    """The world would not let us look: permission, refused, absent. Becomes ``Unobserved``."""


class Refused(MailauthError):  # noqa: N818 - our decision, not a fault
    """We would not: writing without ``--apply``, a row that changed under us."""


class RowChanged(Refused):
    """Somebody else changed the row since it was read; nothing was written."""
