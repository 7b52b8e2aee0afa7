"""The configuration as files and as programs: whether Dovecot takes it, reads it, and can start with it."""

from mailauth.dovecot.misfit import Misfit
from mailauth.dovecot.version import Version
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Accepted(Evidence):
    """Whether doveconf takes the configuration; ``words``: why not, "" where it does.

    ``place`` is what Dovecot complains of, ``first_line`` the main file's first line that is not a comment.
    ``running``: the master that runs, with what it read before; 0 where none was seen.
    """

    version: Version
    file: str
    words: str = ""
    place: str = ""
    setting: str = ""
    misfits: tuple[Misfit, ...] = ()
    first_line: tuple[int, str] = (1, "")
    running: int = 0

    @property
    def seen(self) -> str:
        if not self.words:
            return f"Dovecot {self.version} takes {self.file}"
        return f"Dovecot {self.version}: {self.place}: {self.words}"


@dataclass(frozen=True, slots=True)
class MisreadVariable:
    """A variable that this Dovecot takes for something else: where, the line, and the line in its words."""

    where: str  # "passdb 1 (sqlite)", "auth_username_format"
    variables: tuple[str, ...]
    file: str = ""
    line: int = 0
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A template that this Dovecot cannot expand: where it is, and what Dovecot says of it.

    ``place``: the file and the line, where they are known.  ``name``: the variable that is not there, if that
    is why.
    """

    where: str
    says: str
    place: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Variables(Evidence):
    """The templates that the lookups are made of, as far as they have variables of the other dialect."""

    misread: tuple[MisreadVariable, ...]
    unknown: tuple[UnknownVariable, ...] = ()

    @property
    def seen(self) -> str:
        shown = [f"{one.where}: {', '.join(one.variables)}" for one in self.misread]
        shown += [f"{one.where}: {one.says}" for one in self.unknown]
        return "; ".join(shown) or "all are known"


@dataclass(frozen=True, slots=True)
class AuthFile:
    """A file that a passdb or Dovecot reads: its mode, who reads it, and what stops that reader.

    ``open_to_all``: every user of the machine can read it, and it has a secret in it; ``secrets``: the
    settings that are one, "FILE:LINE NAME".  ``by_userdbs``: no passdb reads it.
    """

    path: str
    role: str  # "passwd-file", "SQL settings", "configuration"
    reader: str
    missing: bool
    open_to_all: bool
    mode: int = 0
    group: str = ""  # the reader's
    stopped_by: str = ""  # a folder on the way, or the file, by its own name
    stopped_why: str = ""  # its mode and owner
    secrets: tuple[str, ...] = ()
    other_group: str = ""  # the group that reads the file instead, where there is one
    closed: bool = False  # it is the file itself
    by_userdbs: bool = False


@dataclass(frozen=True, slots=True)
class AuthFiles(Evidence):
    """The files that decide a login."""

    files: tuple[AuthFile, ...]

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{one.path} ({one.role}), "
            + ("is not there" if one.missing else f"mode {one.mode:04o}, read by {one.reader}")
            for one in self.files
        )


@dataclass(frozen=True, slots=True)
class Commented:
    """A line that includes a file, and is a comment; ``drivers``: of the passdbs that the file has."""

    place: str
    file: str
    drivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Startup(Evidence):
    """What the auth process needs to start: mechanisms and drivers of this build.

    ``unbuilt``: drivers that this Dovecot does not have; ``absent``: drivers whose plugin is not in
    ``source``; ``unknown``: mechanisms that it does not know; ``nameless``: blocks of 2.4 that have no driver
    setting, so that their name counts as one ("passdb files"), each with the driver of its settings, or "".
    ``one``: passdbs of 2.4 that the files begin more than once, each with its places: they are one passdb.
    ``commented``: includes of files that have a passdb, and are comments.
    ``for_others``: drivers of passdbs that stand in a block of other protocols, that protocol, and the place.
    """

    mechanisms: tuple[str, ...]
    unknown: tuple[str, ...]
    unbuilt: tuple[str, ...]
    absent: tuple[str, ...]
    passdbs: int
    nameless: tuple[tuple[str, str], ...] = ()
    one: tuple[tuple[str, tuple[str, ...]], ...] = ()
    commented: tuple[Commented, ...] = ()
    for_others: tuple[tuple[str, str, str], ...] = ()

    @property
    def seen(self) -> str:
        drivers = [f"no {name} driver" for name in (*self.unbuilt, *self.absent)]
        named = f"mechanisms {' '.join(self.mechanisms).lower() or 'none'}"
        return "; ".join([named, f"{self.passdbs} passdbs", *drivers])


@dataclass(frozen=True, slots=True)
class Running(Evidence):
    """Whether Dovecot's master runs, and the files that were changed after its processes read them."""

    pid: int | None
    started: str  # when the oldest auth process began, as people write it; "" where none runs
    changed: tuple[str, ...]

    @property
    def seen(self) -> str:
        if self.pid is None:
            return "no master process runs"
        after = f"; changed since auth began at {self.started}: {', '.join(self.changed)}"
        return f"the master is process {self.pid}{after if self.changed else ''}"


@dataclass(frozen=True, slots=True)
class LoginSocket(Evidence):
    """The socket by which login processes ask auth, and whether the user that they run as may use it.

    ``closed``: the folder that it is in, where that user may not enter it; then ``mode`` is the folder's.
    """

    path: str
    user: str
    missing: bool
    allowed: bool
    mode: int = 0
    closed: str = ""

    @property
    def seen(self) -> str:
        if self.closed:
            return (
                f"{self.closed}, mode {self.mode:04o}, which the login processes of {self.user} cannot enter"
            )
        if self.missing:
            return f"{self.path} is not there"
        return f"{self.path}, mode {self.mode:04o}, for the login processes of {self.user}"


@dataclass(frozen=True, slots=True)
class WorkerSocket(Evidence):
    """The socket by which auth asks its workers, and whether the user that auth runs as may use it."""

    path: str
    user: str
    allowed: bool
    mode: int
    owner: str

    @property
    def seen(self) -> str:
        return f"{self.path}, mode {self.mode:04o}, of {self.owner}; service auth runs as {self.user}"
