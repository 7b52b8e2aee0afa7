"""What becomes of a token that was given, by the oauth2 settings."""

from mailauth.dovecot.tokens import TokenTold
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class TokenAnswer(Evidence):
    """What was asked about the token (``asked``), and what Dovecot makes of the answer; no secret.

    ``settings``: where that is set; ``number``: the passdb's, 0 for 2.4's mechanisms; ``user``: who logs in.
    """

    passdb: str
    asked: str
    settings: str
    user: str
    number: int
    told: TokenTold

    @property
    def text(self) -> str:
        what = "the token is taken" if self.told.fault is None else self.told.fault.value
        return f"{self.passdb}, {self.asked}: {what}; {self.told.says}"

    @property
    def seen(self) -> str:
        return self.text
