"""The Lua script refuses the user or the password.

What you see
    The login fails, with "Password mismatch", or as that of a user who is disabled.  What the script says
    beside such a result Dovecot does not log.
Why
    The script's own function says so.
How we know
    With --ask-lua the script was run here, by the Lua library that Dovecot has, in a child that may open no
    socket, run no program and write no file.  Where it asked for any of that, this says nothing.  It is never
    proven: in Dovecot a script may keep values from one login to the next.
What to do
    Use the right password, where the script compares it; otherwise see in the script why it refuses.
"""

from mailauth.evidence import LuaAnswers, PasswordCheck
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "LUA005",
    "The Lua script refuses the user or the password",
    Severity.BLOCKS_LOGIN,
    last=True,
    bears=Bears.ANSWER,
)
def refuses(answers: LuaAnswers, check: PasswordCheck | None) -> Problem | None:
    found = [one for one in answers.answers if one.refuses and not (one.unknown or one.takes or one.fails)]
    if not found or (check and check.lets_in_by):
        return None
    return Problem(
        says=f"{'; '.join(one.text for one in found)}.",
        because=(answers,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Use the right password, where the script compares it; otherwise see in the script why it"
            " refuses the user."
        ),
    )
