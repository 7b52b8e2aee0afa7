"""What comes after the password: the userdb's answer, and whether its user gets at the mail."""

from enum import Enum

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass

PROXIED = "the login goes on to another server (proxy)"  # why no userdb is asked


class UserdbSaid(Enum):
    """What Dovecot's own userdb lookup ends with."""

    FOUND = "found"
    UNKNOWN = "unknown user"
    FAILED = "the lookup fails"


@dataclass(frozen=True, slots=True)
class Refused:
    """What Dovecot does not take for a uid or gid: ``name`` is "uid" or "gid"; "" where the line has none.

    ``by``: the setting that has it, "" where the userdb or the passdb gives it.
    """

    name: str
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class UserdbStep:
    """What one of several userdbs says of a user; ``has`` is None where that was not seen.

    ``place``: the line of the user; ``refused``: why Dovecot does not take it; ``setting`` and ``value``:
    what follows from the answer; ``decides``: that makes the whole lookup fail.  ``told``: what a directory
    was asked in vain.
    """

    userdb: str
    has: bool | None
    place: str
    refused: Refused | None
    setting: str
    value: str
    decides: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class UserdbAnswer(Evidence):
    """What a login gets from the userdbs: what the passdb brings along, their own answers, and where those
    have none mail_uid, mail_gid and mail_home.

    ``words``: what doveadm said of a failure.  ``lowest`` and ``highest``: the ids that may have mail, uid
    and gid; 0 as the highest is no limit.  ``lost``: the place of the mail, where it needs a home and there
    is none.  ``account``: the name of the uid; ``owner``: uid and gid of the mail that is there.
    ``refused``: what stands where a uid or gid must, and is none of this system.
    ``steps``: what each userdb says, of a user whom they together do not know; ``set_otherwise``: settings of
    how these count that are not Dovecot's defaults.  ``logged``: what Dovecot's log has of a failure.
    ``renamed``: which passdb gave an unknown user this name, and by what.  ``forced``: who hands on the field
    tempfail, which makes a login fail whatever its value is.  ``fileless``: which userdb passwd-file has no
    file, and what to write.  ``shifted``: the line of a file that has the home one field too early.
    """

    user: str
    userdbs: tuple[str, ...]
    said: UserdbSaid
    words: str = ""
    uid: int | None = None
    gid: int | None = None
    home: str = ""
    folder: str = ""  # where the mail is, where that is known
    lost: str = ""
    lowest: tuple[int, int] = (1, 1)
    highest: tuple[int, int] = (0, 0)
    account: str = ""
    owner: tuple[int, int] | None = None
    refused: tuple[Refused, ...] = ()
    steps: tuple[UserdbStep, ...] = ()
    set_otherwise: tuple[str, ...] = ()
    logged: str = ""
    renamed: str = ""
    forced: str = ""
    fileless: tuple[str, str] = ("", "")
    shifted: str = ""

    @property
    def seen(self) -> str:
        if self.said is not UserdbSaid.FOUND:
            return f"{self.user}: {self.said.value}{f' ({self.words})' if self.words else ''}"
        return f"{self.user}: uid {self.uid}, gid {self.gid}, home {self.home or 'none'}"


@dataclass(frozen=True, slots=True)
class ClosedFolder:
    """A folder that says no to the user's uid.

    ``needs``: "enter" or "write"; ``mode``: that and its owner, in words.
    """

    folder: str
    needs: str
    mode: str

    def __str__(self) -> str:
        return f"{self.needs} {self.folder} ({self.mode})"


@dataclass(frozen=True, slots=True)
class MailAccess(Evidence):
    """Whether the user's uid gets at the mail folder, or could make it: asked of the kernel, as that uid.

    ``closed``: the folders that say no, from the root on; ``exists``: the mail folder is there.
    """

    path: str
    uid: int
    gid: int
    exists: bool
    closed: tuple[ClosedFolder, ...] = ()

    @property
    def seen(self) -> str:
        there = "is there" if self.exists else "is not there yet"
        stop = f"; uid {self.uid} may not {self.refused}" if self.closed else ""
        return f"{self.path} {there}{stop}"

    @property
    def refused(self) -> str:
        """What the uid may not do, with each folder's mode."""
        return ", nor ".join(map(str, self.closed))
