"""The Lua script fails for this user.

What you see
    The login fails with a temporary error.  The log has "lua_pcall(...) failed", "invalid return value", or
    what the script said beside PASSDB_RESULT_INTERNAL_FAILURE.
Why
    The script's function ended with an error, returned what this version of Dovecot does not take, or said
    itself that it could not answer.
How we know
    With --ask-lua the script was run here, by the Lua library that Dovecot has, in a child that may open no
    socket, run no program and write no file.  Where it asked for any of that, this says nothing.  It is never
    proven: in Dovecot a script may keep values from one login to the next.
What to do
    Change the script at the line that is named, and reload.
"""

from mailauth.evidence import LuaAnswers
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy


@rule(
    "LUA006",
    "The Lua script fails for this user",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    yields_to=("LUA003",),
)
def fails(answers: LuaAnswers) -> Problem | None:
    found = [one for one in answers.answers if one.fails]
    if not found:
        return None
    return Problem(
        says=f"{'; '.join(one.text for one in found)}.",
        because=(answers,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Change the script where it fails; that counts from the next reload on.",
            commands=(RELOAD,),
        ),
    )
