"""The stacks: servers that we wrote in the manner of real ones, each in a folder of ``stacks/``.

A folder has the files of the server as they stand, and ``schema.sql``, whose statements end with ";" at the
end of a line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailauth.hashes import Password, generate
from tests.field.rig import Rig

SECRET = "correct horse"
_FOLDER = Path(__file__).parent / "stacks"


@dataclass(frozen=True)
class Stack:
    """A server: its folder, its Dovecot, its store; a user of it, and the hash that it makes."""

    name: str
    dovecot: str
    store: str
    user: str
    scheme: str = "SHA512-CRYPT"
    prefix: bool = False  # it stores {SCHEME} before the hash
    protocols: tuple[str, ...] = ("imap",)

    @property
    def stored(self) -> str:
        made = generate(self.scheme, Password.of(SECRET), user=self.user)
        return made if self.prefix else made.partition("}")[2]


_USER = "alice@example.org"
STACKS = (
    Stack("postfixadmin", "2.3.19.1", "mysql", _USER),
    Stack("iredmail", "2.3.19.1", "pgsql", _USER, "SSHA512", prefix=True),
    Stack("mailinabox", "2.3.19.1", "sqlite", _USER, prefix=True),
    Stack("modoboa", "2.3.19.1", "pgsql", _USER, prefix=True),
    Stack("dockermailserver", "2.3.19.1", "passwd-file", _USER, prefix=True),
    Stack("ispmail", "2.3.19.1", "mysql", _USER, "BLF-CRYPT", prefix=True),
    Stack("ispconfig", "2.3.19.1", "mysql", _USER),
    Stack("froxlor", "2.3.19.1", "mysql", _USER),
    Stack("hestia", "2.3.19.1", "passwd-file", _USER),
    Stack("vpopmail", "2.3.19.1", "mysql", _USER, "MD5-CRYPT"),
    Stack("vexim", "2.3.19.1", "mysql", _USER),
    Stack("postfixadmin24", "2.4.1", "mysql", _USER),
    Stack("manual24", "2.4.1", "pgsql", _USER),
)


@dataclass(frozen=True)
class Break:
    """One way in which a stack is broken, and what must be found; ``login``: only a login shows it."""

    stack: str
    name: str
    do: Callable[[Rig], None]
    finds: frozenset[str]
    login: bool = False
    user: str = ""  # who logs in, where it is not the stack's own user


def files_of(stack: Stack) -> tuple[dict[str, str], list[str]]:
    """The files of a stack, and the statements of its schema."""
    folder = _FOLDER / stack.name
    found = {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    schema = found.pop("schema.sql", "")
    return found, [one for one in schema.split(";\n") if one.strip()]


def by_name(name: str) -> Stack:
    return next(one for one in STACKS if one.name == name)
