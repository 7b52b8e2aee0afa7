"""Logins that worked, as far as they say something of those that fail.  Pure."""

from dataclasses import field
from datetime import datetime
from typing import NamedTuple

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.logtally import Group
from mailauth.dovecot.messages import Why
from mailauth.records import dataclass

_MOST = 20_000  # names kept, each the last with its part before the @


class Entered(NamedTuple):
    """Who logged in last under a name's part before the @, from where, and when."""

    user: str
    ip: str
    when: datetime | None


@dataclass(slots=True)
class Worked:
    """The last login of each name, by its part before the @."""

    last: dict[str, Entered] = field(default_factory=dict)

    def add(self, event: LogEvent) -> None:
        """A login that worked."""
        local = event.user.partition("@")[0].casefold()
        if local in self.last or len(self.last) < _MOST:
            self.last[local] = Entered(event.user, event.ip, event.when)

    def beside(self, user: str, group: Group, why: Why) -> str:
        """What a login that worked says of this user's failures; "" where there is none."""
        one = self.last.get(user.partition("@")[0].casefold())
        if one is None or one.when is None or group.first is None:
            return ""
        if one.user.casefold() == user.casefold():
            other = one.ip and one.ip not in group.others and one.when >= group.first
            return f"{user} logs in from {one.ip}" if other else ""
        if why is not Why.UNKNOWN or ("@" in one.user) is ("@" in user):
            return ""
        if one.when <= group.first:
            return (
                f"{one.user} logged in until {one.when:%Y-%m-%d %H:%M:%S}: was auth_username_format changed?"
            )
        return f"{one.user} logs in"
