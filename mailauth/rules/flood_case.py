"""A log that grows without a pause: how fast, what is full and when, and what ends it.  Pure."""

from typing import NamedTuple

from mailauth.evidence import ContainerLog, Filesystems, LogTrouble, LogWindow

TITLE = "Dovecot logs the same error without a pause"
HANGS = " Logins that ask that server hang."
_DAY = 86400
_BEFORE = ", before a daily logrotate runs again"
_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


class Cure(NamedTuple):
    """``words``: what the lines say; ``ends``: what ends them; ``waits``: while it goes on a login waits.

    ``says``: what so many of them come to; "": no more than each of them.
    """

    words: str
    ends: str
    waits: bool = False
    says: str = ""


# auth connects again at once as long as a login waits for that server: db_ldap_conn's ldap_input(),
# src/auth/db-ldap.c of Dovecot 2.3.19.1 and 2.4.1.  Measured on both: the lines end when the server answers,
# and within 8 seconds after a reload with another address.
_CURES = (
    Cure(
        "Connection lost to LDAP server",
        "Start the LDAP server behind that port, or correct its address (ldaps:// where it takes TLS only)."
        " The lines end when it answers, or some seconds after a doveadm reload with the right address.",
        waits=True,
        says="the LDAP port takes connections and closes them",
    ),
)
_OTHER = Cure("", "Fix what these lines name; then they end.")
_STOP = "Until then the log grows: doveadm stop ends it, or that passdb taken out and doveadm reload."
_STOP_OTHER = "Until then the log grows; doveadm stop ends it."


def flooding(log: LogWindow | None) -> list[LogTrouble]:
    """What is logged without a pause now."""
    return [one for one in log.troubles if one.floods] if log else []


def cure(text: str) -> Cure:
    """Of a line, by its words."""
    return next((one for one in _CURES if one.words in text), _OTHER)


def meaning(text: str, says: str) -> str:
    """What these lines come to, in brackets; ``says``: what each of them does."""
    told = cure(text).says or says
    return f" ({told})" if told else ""


def careful(text: str) -> str:
    return _STOP if cure(text).waits else _STOP_OTHER


def speed(lines: float, size: float) -> str:
    """Lines a second, and what that is a day; ``size``: bytes a second."""
    return f"{lines:.0f} lines a second, {_a_day(size)} a day"


def _a_day(size: float) -> str:
    day = size * _DAY
    return f"{day / 1e9:.1f} GB" if day >= 1e8 else f"{day / 1e6:.0f} MB"


def full_in(free: int, size: float) -> str:
    """When that much is written, at ``size`` bytes a second."""
    seconds = free / max(size, 1.0)
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}s"
    return f"{seconds:.0f} seconds"


def lands(size: float, disks: Filesystems | None, container: ContainerLog | None) -> str:
    """Where it lands, and what becomes of that place."""
    if container is not None:
        return _in_docker(size, container)
    place = next((one for one in disks.filesystems if one.use in ("log", "journal")), None) if disks else None
    if place is None:
        return ""
    if place.use == "journal":
        return (
            f" It lands in the journal ({place.path}), which keeps to a limit of its own (SystemMaxUse,"
            " RuntimeMaxUse) and loses older lines for these."
        )
    return (
        f" It lands in {place.path}, whose filesystem has {left(place.free)} free: full in"
        f" {full_in(place.free, size)}{_BEFORE if place.free < size * _DAY else ''}."
    )


def _in_docker(size: float, log: ContainerLog) -> str:
    if log.driver == "json-file" and log.max_size in ("", "-1"):
        return (
            f" It lands in {log.path} without a limit, whose filesystem has {left(log.free)} free: full in"
            f" {full_in(log.free, size)}."
        )
    if log.driver in ("json-file", "local"):
        return f" Docker's driver {log.driver} keeps it within a limit, and loses older lines for these."
    return f" It goes to Docker's log driver {log.driver}."


def left(free: int) -> str:
    return f"{free / 1e9:.1f} GB" if free >= 1e8 else f"{free / 1e6:.0f} MB"
