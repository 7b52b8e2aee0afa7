"""Which lines tell of a client's login: what mailauth did itself, and a lookup, is none.  Pure."""

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages_requests import ONLY_VERIFIES
from mailauth.dovecot.nobody import NOBODY

# Also of a lookup that is no login: LMTP's, doveadm's.  Without a session it is not known which.
OF_LOOKUPS = frozenset(
    {
        "user not found from any userdbs",
        "user not found from userdb",
        "userdb lookup not possible with only userdb prefetch",
        "passdb didn't return userdb entries",
    }
)


def of_lookup(event: LogEvent) -> bool:
    """Whether it is of a lookup, which is no login: ours of nobody, or one that its passdb cannot make."""
    return event.user == NOBODY or event.reason == ONLY_VERIFIES


def of_client(event: LogEvent) -> bool:
    """Whether what failed was a client's login, as far as the line tells."""
    return not event.ours and not of_lookup(event)
