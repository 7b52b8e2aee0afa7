"""A change of one user's row as a line for a shell, to be pasted: strict words, and never a password.  Pure.

What stands in it is the password query's own table, column and condition, in that database's quoting.  A name
or condition that has any other form is in no line: then there is none.
"""

import re
import shlex

from mailauth.dovecot.variables import Fill
from mailauth.records import dataclass

Words = tuple[str, ...]
HASH_NEW: Words = ("mailauth", "hash", "new")
_PART = r"(?:[A-Za-z_][A-Za-z0-9_]{0,62}|\"[A-Za-z_][A-Za-z0-9_ -]{0,62}\"|`[A-Za-z_][A-Za-z0-9_ -]{0,62}`)"
_NAME = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}", re.ASCII)
# None of what means something to a shell or ends a statement, and nothing that finds rows of other names.
_CONDITION = re.compile(
    r"(?!.*(?:--|/\*|(?i:\b(?:OR|LIKE|SELECT|UNION)\b)))[A-Za-z0-9_.@+=<>'\"`(),|*/% :-]{1,400}", re.ASCII
)
_USER = re.compile(r"[A-Za-z0-9._+=@-]{1,254}", re.ASCII)
_SET = re.compile(rf"{_PART} = (?:'[A-Za-z0-9_. :+-]{{0,40}}'|[0-9]{{1,9}}|(?i:true|false))", re.ASCII)
_WIDEN = re.compile(r"ALTER TABLE [A-Za-z0-9_.\"` ()]{1,300}", re.ASCII)
_ACCOUNT = re.compile(r"[A-Za-z0-9_]{1,63}|'[A-Za-z0-9_.-]{1,80}'@'[A-Za-z0-9_.:%-]{1,255}'", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_./:][A-Za-z0-9_./:@-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """Where one user's password stands.  ``client``: the program by which the administrator changes it; ()
    where that is not known: then the line prints the statement.

    ``place``: the database, to be shown.  ``blanks_gone``: the column's value without them.  ``widen``: the
    statement that gives the column 255 characters.
    """

    place: str
    client: Words
    table: str
    column: str
    where: str
    blanks_gone: str
    widen: str = ""


def row(
    place: str, client: Words, names: tuple[str, str, str], without_blanks: str, widen: str = ""
) -> Row | None:
    """``names``: the table, the column and the condition; None where one of them has not its form.

    ``without_blanks``: what the database makes of the column {0}.
    """
    table, column, where = names
    column = column.rpartition(".")[2]  # SET takes a column without its table's name
    where = _on_one_line(where)
    if not (_NAME.fullmatch(table) and _NAME.fullmatch(column) and _CONDITION.fullmatch(where)):
        return None
    if any(where.count(quote) % 2 for quote in "'\"`"):
        return None
    widen = widen if _WIDEN.fullmatch(widen) else ""
    return Row(place, client, table, column, where, without_blanks.format(column), widen)


def _on_one_line(where: str) -> str:
    """A line end between words is a blank; in quotes it stays, and then there is no line."""
    parts = where.split("'")
    return "'".join(one if at % 2 else " ".join(one.split("\n")) for at, one in enumerate(parts)).strip()


def is_name(user: str) -> bool:
    """Whether a user's name may stand in a line."""
    return _USER.fullmatch(user) is not None


def is_account(who: str) -> bool:
    """Whether an account, quoted as GRANT has it, may stand in a statement."""
    return _ACCOUNT.fullmatch(who) is not None


def is_table(name: str) -> bool:
    """Whether a table's name may."""
    return _NAME.fullmatch(name) is not None


def of_the_user(where: str, fill: Fill) -> str:
    """A condition with the user's name in place of its variables; as it is where a value is not strict."""
    values: list[str] = []

    def noted(value: str) -> str:
        values.append(value)
        return value

    filled = _on_one_line(fill(where, noted))
    return filled if _CONDITION.fullmatch(filled) and all(map(is_name, values)) else where


def is_word(text: str) -> bool:
    """Whether the name of a server, file or database, or a port, may stand in a line."""
    return _WORD.fullmatch(text) is not None


def server(host: dict[str, str], usual_port: str) -> tuple[str, str] | None:
    """The name and the port of a server, "" for this machine's own; None where one is unusual."""
    name, port = host.get("host") or host.get("hostaddr") or "", host.get("port", "")
    if any(one and not is_word(one) for one in (name, port)):
        return None
    if name in _HERE and port in ("", "0", usual_port):
        return "", ""
    return name or "localhost", "" if port == "0" else port


_HERE = ("", "localhost", "127.0.0.1", "::1")


def new_hash(found: Row) -> str:
    """Asks for the password, and stores its hash: nothing is stored where no hash was made."""
    return f"new=$({shlex.join(HASH_NEW)}) && {_line(found, _update(found, _NEW))}"


def without_blanks(found: Row) -> str:
    """Takes blanks and line ends out of the stored hash, which has none of its own."""
    return _line(found, _update(found, found.blanks_gone))


def widened(found: Row) -> str:
    """Gives the column its width; "" where it has no limit, or how is not plain."""
    return _line(found, f"{found.widen};") if found.widen else ""


def enabled(found: Row, conditions: tuple[str, ...]) -> str:
    """Has the row meet ``conditions``; "" where one of them is no plain "column = value"."""
    set_to = [_plain(one) for one in conditions]
    if not all(map(_SET.fullmatch, set_to)) or not set_to:
        return ""
    return _line(found, f"UPDATE {found.table} SET {', '.join(set_to)} WHERE {found.where};")  # noqa: S608 - strict


def _plain(condition: str) -> str:
    """A condition such as u.active='1', or the truth value active, as SET has it."""
    name, equals, value = condition.partition("=")
    return f"{name.strip().rpartition('.')[2]} = {value.strip() if equals else 'true'}"


_NEW = "'$new'"  # the shell's, put in between double quotes: no argv has it, since printf is the shell's own


def _update(found: Row, value: str) -> str:
    return f"UPDATE {found.table} SET {found.column} = {value} WHERE {found.where};"  # noqa: S608 - strict


def _line(found: Row, statement: str) -> str:
    quoted = statement.replace('"', '\\"').replace("`", "\\`")
    asked = f" | {shlex.join(found.client)}" if found.client else ""
    return f"printf '%s\\n' \"{quoted}\"{asked}"
