"""The user: the name that is looked up, and what every passdb says of it."""

from enum import Enum

from mailauth.dovecot.drivers import Question
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass
from mailauth.stores.pasted import Row
from mailauth.stores.store import Failing, Failure, Otherwise, Outcome


@dataclass(frozen=True, slots=True)
class UserName(Evidence):
    """The name as given and as looked up; the first character that auth_username_chars refuses.

    ``requested``: whose mail is asked for, where the name has a master user ("alice*root").
    """

    given: str
    looked_up: str
    refused: str
    requested: str = ""

    @property
    def seen(self) -> str:
        also = f", to log in as {self.requested!r}" if self.requested else ""
        return f"{self.given!r} is looked up as {self.looked_up!r}{also}"


class Said(Enum):
    """What asking one passdb comes to, and what a login does."""

    OK = "lets the user in"
    MISMATCH = "password mismatch"
    UNKNOWN = "unknown user"
    NEXT = "leaves it to the next"
    FAILURE = "internal failure"
    DENIED = "the user is denied"
    REFUSED = "refused before a passdb is asked"
    SKIPPED = "is not asked"
    UNASKED = "could not be asked"


@dataclass(frozen=True, slots=True)
class Step:
    """One passdb on the way, and why it was skipped.

    ``mismatch``: it has no such user, and logs a password mismatch all the same.
    """

    number: int
    passdb: str
    said: Said
    why: str = ""
    mismatch: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """Where the way through the passdbs ends, and which passdb decides (0: none).  ``user`` as it is then.

    ``unseen``: the passdbs that mailauth did not look into, and on whose answer it depends whether the user
    is let in.  Then the rest is what comes of it if none of them has the user.
    """

    said: Said
    decided_by: int
    user: str
    nologin: bool = False
    steps: tuple[Step, ...] = ()
    unseen: tuple[int, ...] = ()

    @property
    def way(self) -> str:
        """What each passdb says in turn, and which of them lets the user in."""
        numbers = [step.number for step in self.steps]
        by = numbers.index(self.decided_by) if self.decided_by in numbers else len(numbers)
        return "; ".join(
            f"{step.passdb} {self._said(step, after=at > by)}" for at, step in enumerate(self.steps)
        )

    def _said(self, step: Step, *, after: bool) -> str:
        if step.said is not Said.OK:
            return str(step.said.value)
        if step.number != self.decided_by or self.said is not Said.OK:
            return "has the user" if after else "takes the password"
        return f"lets the user in{', if the login comes to it' if self.unseen else ''}"

    @property
    def lets_in(self) -> bool:
        """The session begins, whatever a passdb says that was not looked into."""
        return self.said is Said.OK and not self.nologin and not self.unseen

    @property
    def keeps_out(self) -> bool:
        """No session begins, whatever a passdb says that was not looked into."""
        return not self.lets_in and not self.unseen


@dataclass(frozen=True, slots=True)
class Made:
    """An expression that the password query makes the password of, and the query's place.

    ``empty``: its columns that are NULL in the user's row; ``whole``: those that by themselves hold a
    password that counts.  ``instead``: it is one column that holds something else (a number, a name, a date),
    and ``whole`` are others of the table.  ``constant``: it is a text in quotes, the same for everybody.
    """

    expression: str
    place: str
    empty: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    instead: bool = False
    constant: bool = False


@dataclass(frozen=True, slots=True)
class PassdbAnswer:
    """What one passdb said of the user.

    ``restricts`` are those of its fields that decide a login, with what they hold; ``user`` is the name
    that was asked about.
    """

    passdb: str
    place: str
    outcome: Outcome
    fields: tuple[str, ...] = ()  # the names of the entry's other fields
    number: int = 0
    source: str = ""  # the file that says where to look
    credentials: str = ""  # file and line of the database server and its credentials
    query: str = ""  # and of the query
    driver: str = ""
    user: str = ""
    deny: bool = False
    master: bool = False
    restricts: tuple[tuple[str, str], ...] = ()
    failure: Failure | None = None
    beside: tuple[Failure, ...] = ()
    seconds: float = 0.0
    again: int = 0  # the next line of a passwd-file that has the name, too, and does not count
    otherwise: tuple[Otherwise, ...] = ()  # clients for whom it says something else
    absent: str = ""  # the file of a path with variables, which is not there
    path: str = ""  # that path, as it is set
    altered: tuple[tuple[str, str], ...] = ()  # variables whose value is no part of the name, and the value
    made: Made | None = None  # of what a password that is NULL is made
    several: str = ""  # a directory's attribute with several passwords
    verified_there: bool = False  # by a bind: what is stored was not looked at
    row: Row | None = None  # of a database, where the password can be set by one plain statement

    @property
    def asked_for(self) -> str:
        """What was asked for instead of the name: "'ALICE' (%{user | upper})"; "" where it is the name."""
        return ", ".join(f"{value!r} ({text})" for text, value in self.altered)

    def field(self, name: str) -> str | None:
        """What a field that decides a login holds; None when it is not there."""
        return dict(self.restricts).get(name)


@dataclass(frozen=True, slots=True)
class NearName:
    """A name that a passdb does know, much like the one that it was asked for.

    ``misread``: why Dovecot does not read a line of a file as this user's; "" where it is another name.
    ``blanks``: it is the same name with blanks or ends of lines around it, in a database.
    ``wanted``: what a line of a file must be called, where that is not the name that is looked up.
    ``overruled``: the place of the query that counts, where an earlier one in its file finds the very name.
    ``form``: how the same letters or domain are written ("in composed letters (Unicode NFC)").
    ``in_a_domain``: a row has the name in a domain, and the name that is looked up has none.
    """

    passdb: str
    place: str
    name: str
    misread: str = ""
    blanks: bool = False
    wanted: str = ""
    in_a_domain: bool = False
    overruled: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A variable of the client's in a condition: the values that were asked with, and what it has to be.

    ``needed``: as the condition has it, "= '993'"; "" where it does not say so plainly.
    """

    variable: str
    values: tuple[str, ...]
    needed: str


@dataclass(frozen=True, slots=True)
class Disabled:
    """A row that the query leaves out by a condition that has nothing to do with the name.

    ``sent``: what of the client it compares.  ``joins``: the conditions join another table's rows to it.
    """

    passdb: str
    place: str
    conditions: tuple[str, ...]
    sent: tuple[Sent, ...] = ()
    joins: bool = False
    row: Row | None = None  # which it is, without these conditions


@dataclass(frozen=True, slots=True)
class Unseen:
    """A passdb that was not looked into, and why; ``open``: what stays open then."""

    number: int
    passdb: str
    reason: str
    open: tuple[Question, ...] = ()
    needs_root: bool = False

    @property
    def text(self) -> str:
        return f"{self.passdb}: {self.reason}"


@dataclass(frozen=True, slots=True)
class HidesRows:
    """A table or view of a query, some of whose rows this account may not see.

    ``name``: of a table with row-level security with the account ("mailbox for dovecot").
    """

    passdb: str
    driver: str
    name: str
    security: bool


@dataclass(frozen=True, slots=True)
class LookedUp(Evidence):
    """What every passdb said, in Dovecot's order; ``unseen``: those that could not be asked.

    ``right`` and ``wrong``: where the way ends with a password that every hash matches, and with one that
    none does; ``without``: if all match but that of the passdb of this number.  ``near``, ``disabled`` and
    ``elsewhere`` (passdbs that are not asked, and have the user) are looked for where no passdb knows the
    user; so is ``comparing``: conditions by which a query compares the password itself, and leaves the row
    out for the one that was given; ``other_domains``: the same name in them; and ``aliases``: where the mail
    of that name is forwarded to.
    ``userdbs``: those whose database a login asks, and that fails; ``hidden``: what may hide a row
    from the database account.
    """

    answers: tuple[PassdbAnswer, ...]
    unseen: tuple[Unseen, ...] = ()
    right: End | None = None
    wrong: End | None = None
    without: tuple[tuple[int, End], ...] = ()
    near: tuple[NearName, ...] = ()
    other_domains: tuple[NearName, ...] = ()
    elsewhere: tuple[NearName, ...] = ()
    disabled: tuple[Disabled, ...] = ()
    comparing: tuple[Disabled, ...] = ()
    aliases: tuple[NearName, ...] = ()
    userdbs: tuple[PassdbAnswer, ...] = ()
    hidden: tuple[HidesRows, ...] = ()

    @property
    def seen(self) -> str:
        said = [
            f"{a.passdb}, {a.place}: {a.failure.kind.value if a.failure else a.outcome.value}"
            + (f" (with the fields {', '.join(filter(None, a.fields))})" if any(a.fields) else "")
            for a in self.answers
        ]
        said += [f"{one.passdb}: not looked into" for one in self.unseen]
        return "; ".join(said) or "none was asked"

    @property
    def userdb_fails(self) -> str:
        """The userdb whose database keeps a login from being served; "" for none."""
        failed = (one.passdb for one in self.userdbs if one.failure and not one.failure.still_served)
        return next(failed, "")

    @property
    def unasked(self) -> tuple[str, ...]:
        """The passdbs that could not be asked, and why."""
        return tuple(one.text for one in self.unseen)

    def failures(self, *kinds: Failing) -> tuple[tuple[PassdbAnswer, Failure], ...]:
        """The databases that gave no answer for one of these reasons, be it for some clients only."""
        found = [(a, a.failure) for a in (*self.answers, *self.userdbs) if a.failure]
        found += [(a, one.failure) for a in self.answers for one in a.otherwise if one.failure]
        return tuple((a, failure) for a, failure in found if failure.kind in kinds)

    @property
    def unknown(self) -> bool:
        """Every passdb was asked and knows no such user."""
        asked = [a for a in self.answers if not a.deny and not a.master]
        return bool(asked or self.elsewhere) and all(
            a.outcome is Outcome.UNKNOWN_USER and a.failure is None for a in asked
        )


@dataclass(frozen=True, slots=True)
class ClientAddress(Evidence):
    """Where the client is, and whether the entry that would let it in allows that (``nets``: what it allows).

    ``address`` is "" where it does not matter: none at all is allowed.  ``logged``: it is the log's.
    """

    address: str
    nets: str
    allowed: bool
    passdb: str
    logged: bool = False

    @property
    def seen(self) -> str:
        return f"{self.address or 'any address'}: allow_nets = {self.nets}"
