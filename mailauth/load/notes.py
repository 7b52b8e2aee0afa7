"""What a reader of the numbers must know of the server's settings."""

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.load.plan import AuthTarget, LoadPlan, Target


def notes(config: AuthConfig, plan: LoadPlan, target: Target) -> tuple[str, ...]:
    """Sentences; settings as doveconf prints them.

    Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request-handler.c (auth_failure_delay, and
    AUTH_FAILURE_DELAY_CHECK_MSECS 500).
    """
    told = []
    tree = config.tree
    if config.cache_size:
        told.append(
            "auth_cache_size is set: after a user's first login the cache answers, not the store; with more"
            " users, or without the cache, this is another load."
        )
    if plan.wrong:
        delay = tree.get("auth_failure_delay", "2 secs")
        told.append(
            f"auth_failure_delay = {delay}: Dovecot holds a refusal back for so long, and lets them go twice"
            " a second; so wrong passwords are timed apart, and stay in flight meanwhile."
        )
    if not isinstance(target, AuthTarget) and (most := tree.get("mail_max_userip_connections", "")):
        told.append(
            f"mail_max_userip_connections = {most}: a user with more at once from one address is turned away"
            " after the password was right; give more users, or --sources."
        )
    return tuple(told)


PENALTY = (
    "wrong passwords by IMAP make Dovecot hold back the address that they come from, for 2 to 15 seconds, and"
    " with it everyone there: say --penalties, and --sources 100 to come from other addresses than"
    " 127.0.0.1; the auth socket (--by auth) knows no penalty."
)
