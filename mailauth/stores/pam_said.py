"""What PAM says when it is asked about a password.  Pure."""

from mailauth.records import dataclass

SUCCESS = 0
ENDS = frozenset({12, 13})
"""PAM_NEW_AUTHTOK_REQD and PAM_ACCT_EXPIRED: Dovecot asks no later passdb then (src/auth/passdb-pam.c)."""


@dataclass(frozen=True, slots=True)
class PamSaid:
    """``call``: the function that said the last word; ``says``: pam_strerror(3) of its code.

    ``messages``: what the modules said to the user meanwhile, which Dovecot does not log.
    """

    call: str
    code: int
    says: str
    messages: tuple[str, ...] = ()

    @property
    def taken(self) -> bool:
        return self.code == SUCCESS
