"""What the rules of Lua scripts share: how heavy a fault of one is, beside other passdbs and real logins."""

from mailauth.evidence import Logins
from mailauth.evidence.lua import LuaScript
from mailauth.finding import Severity


def worked(logins: Logins | None) -> bool:
    """A login made now was let in."""
    return logins is not None and any(reply.ok for reply in logins.replies)


def refused(logins: Logins | None) -> bool:
    """A login was made now, and auth says that it is no word on the password."""
    return (
        logins is not None and not worked(logins) and any(one.code == "temp_fail" for one in logins.replies)
    )


def severity(script: LuaScript, logins: Logins | None) -> Severity:
    """It blocks logins where no other passdb can let the user in, and none did."""
    return Severity.BLOCKS_LOGIN if script.alone and not worked(logins) else Severity.RISK
