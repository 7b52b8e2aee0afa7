"""All of it in one call: what the library offers of ``mailauth login``."""

from mailauth.dovecot.doveadm import Installation
from mailauth.hashes import Password
from mailauth.login.enter import log_in
from mailauth.login.judge import Judgement, judge
from mailauth.login.site import look_at
from mailauth.login.ways import Choice, ways


def try_logins(
    user: str, password: Password, dovecot: Installation | None = None, choice: Choice | None = None
) -> Judgement:
    """Log in by every protocol and mechanism, once each, and name the layers that refuse.

    These are real logins.  Raises CannotObserve where there is no Dovecot.
    """
    site = look_at(dovecot or Installation())
    return judge(log_in(ways(site, choice or Choice()), user, password, site))
