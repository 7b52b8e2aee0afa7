"""The client sends another password than the right one, again and again.

What you see
    The right password works where it is typed, but the user's mail program or telephone still fails.
    The log says "Password mismatch (SHA1 of given password: ...)" with the same SHA1 each time.
Why
    A client keeps the password that it was given, and goes on after the password was changed.  Each
    device, each account in it (also the one for sending) and each app has its own copy.
How we know
    The password given to mailauth is right, and the log shows that the client sent another one, always
    the same, since Dovecot last started or was reloaded.  Dovecot logs that only with
    auth_verbose_passwords; sha1:6 tells one password from another, and does not tell which it is (CONF025).
What to do
    Set the new password in that client.  The address shows which one it is.
"""

from mailauth.counted import times
from mailauth.evidence import PasswordCheck, SentPasswords
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

_REPEATS = 3


@rule("PASS007", "The client still sends another password", Severity.BLOCKS_LOGIN, bears=Bears.NOTHING)
def client_sends_old(password: PasswordCheck, log: SentPasswords) -> Problem | None:
    others = [one for one in log.sent if one.as_given is False and one.count >= _REPEATS]
    if not password.lets_in or not others:
        return None
    where = ", ".join(f"{one.ip or 'this machine'} ({times(one.count)})" for one in others)
    return Problem(
        says=(
            "The password given to mailauth is right; a client sends another one, and the same each time:"
            f" from {where}."
        ),
        because=(log, password),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Set the right password in the client at that address."),
    )
