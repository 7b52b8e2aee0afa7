"""The Lua script returns a value that this Dovecot does not accept.

What you see
    Logins fail with a temporary error ([UNAVAILABLE]) with the right password, or with a wrong one where it
    should be "authentication failed".  The log says "invalid return value (expected nil or table, got
    string)" or "invalid error return value".
Why
    Beside the result a function returns a second value.  2.3 takes a string or a table, and not nil.  2.4
    takes a table or nil with OK, and a string or nil with any other result (src/auth/db-lua.c).
How we know
    Dovecot logged it; or the return statements were read as they are written, and nothing of the script was
    run.  Then it is likely: what a variable holds is not followed.
What to do
    Return {} with OK and "" with any other result: both dialects take that.
"""

from mailauth.evidence import Configured, Logins, LogWindow, LuaScripts
from mailauth.evidence.lua import LuaScript, taken
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import lua_case

_SHOWN = 4


@rule(
    "LUA003",
    "The Lua script returns a value that this Dovecot does not accept",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def value_not_taken(
    scripts: LuaScripts, configured: Configured, log: LogWindow | None, logins: Logins | None
) -> Problem | None:
    found = [one for one in scripts.scripts if one.refused]
    logged = next((one.words for one in log.unserved if "return value" in one.words), "") if log else ""
    if not found and not logged:
        return None
    first = found[0] if found else scripts.scripts[0]
    blocks = bool(found) and first.lets_nobody_in
    if logged and lua_case.refused(logins):
        blocks = True
    if blocks and first.alone and lua_case.worked(logins) and not logged:
        return None  # it returns something else than what stands there plainly
    says = " ".join(_says(one, configured.version.dialect) for one in found)
    says += f"{' ' if says else ''}Dovecot logged: {logged}." if logged else ""
    says += (
        " With that the script refused the user, for a reason of its own." if "error return" in logged else ""
    )
    return Problem(
        says=says,
        because=(scripts, *((log,) if log and logged else ())),
        certainty=Certainty.PROVEN if logged else Certainty.LIKELY,
        severity=lua_case.severity(first, logins) if blocks else Severity.RISK,
        remedy=remedy(
            summary='Return a table, {}, with OK, and a string, "", with any other result: 2.3 and 2.4'
            " take that.",
            commands=(RELOAD,),
        ),
    )


def _says(one: LuaScript, dialect: str) -> str:
    told = [f"line {each.line} returns {each.result} with a {each.value.value}" for each in one.refused]
    more = f" and {len(told) - _SHOWN} more" if told[_SHOWN:] else ""
    wants = {each.ok: " or ".join(kind.value for kind in taken(dialect, ok=each.ok)) for each in one.refused}
    expects = "; ".join(
        f"with {'OK' if ok else 'another result'} it takes {kinds}" for ok, kinds in wants.items()
    )
    return f"{one.passdb}, {one.file}: {', '.join(told[:_SHOWN])}{more}. Dovecot {dialect}: {expects}."
