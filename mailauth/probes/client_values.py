"""The values that a client's connection can have, where a lookup depends on them.

A query with ``%r`` or ``%c`` is another one for each client.  It is asked with every value that matters: the
one that was named, else those that this Dovecot can have, and those that the query itself compares with.
Each variable is varied alone, and there is a limit, so that a store is not asked for long.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request-var-expand.c for the values of "secured";
client_common.c of src/login-common for who is "secured" without TLS: one on this machine or in
login_trusted_networks.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import replace

from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource, StaticSource
from mailauth.dovecot.conf import Block
from mailauth.dovecot.nobody import SESSION
from mailauth.dovecot.variables import OF_THE_CLIENT, used, written
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import Sent
from mailauth.probes.network import configured
from mailauth.probes.scene import Scene
from mailauth.stores.store import Failing, Otherwise, Outcome, Record

_MOST = 16
_ELSEWHERE = "192.0.2.1"  # an address of nobody, for documentation: RFC 5737
_HERE = "127.0.0.1"
_WORD = re.compile(r"[0-9A-Fa-f.:]{3,}")
_REAL: dict[str, str] = {"real_lip": "lip", "real_rip": "rip", "real_lport": "lport", "real_rport": "rport"}

Values = dict[str, str]


def combinations(scene: Scene, passdb: Passdb) -> tuple[Values, ...]:
    """What the client's variables can be in a lookup of this passdb; the usual client's first."""
    templates = texts(passdb)
    dialect = scene.config.version.dialect
    names = {name for text in templates for name in used(text, dialect)} & OF_THE_CLIENT
    if not names:
        return ({},)
    plain = {_REAL.get(name, name) for name in names}
    choices = {name: _values(name, scene, templates) for name in sorted(plain)}
    base = {name: values[0] for name, values in choices.items()}
    found = [base]
    found += [base | {name: value} for name, values in choices.items() for value in values[1:]]
    return tuple(_with_real(one, names) for one in found[:_MOST])


def asked(scene: Scene, passdb: Passdb, ask: Callable[[Values], Record]) -> Record:
    """The answer for a client that is let in, with those for whom it is another.

    Raises CannotObserve where clients have different passwords.
    """
    clients = combinations(scene, passdb)
    records: list[tuple[Values, Record]] = []
    for client in clients:
        record = ask(client)
        records.append((client, record))
        if record.failure and record.failure.kind not in _OF_THE_QUERY:
            break  # the next would fare no better
    own = _own(scene, clients[0])
    if own not in clients and all(one.outcome is Outcome.UNKNOWN_USER for _, one in records):
        records.append((own, ask(own)))
    mine, chosen = min(records, key=lambda one: _RANK[one[1].outcome])
    if chosen.failure and len(records) < len(clients):
        return records[-1][1]
    others = [(client, one) for client, one in records if _differs(one, chosen)]
    chosen = replace(chosen, client=tuple(mine.items()))
    if not others:
        return chosen
    if any(one.outcome is Outcome.FOUND for _, one in others if chosen.outcome is Outcome.FOUND):
        raise CannotObserve(f"the password depends on the client: {_told(scene, others[0][0], mine)}.")
    return replace(chosen, otherwise=tuple(_otherwise(scene, one, client, mine) for client, one in others))


def compared(scene: Scene, passdb: Passdb, condition: str) -> tuple[Sent, ...]:
    """What a condition compares of the client: the values that it was asked with, and what it wants."""
    dialect = scene.config.version.dialect
    found = []
    for name in used(condition, dialect):
        if name in OF_THE_CLIENT:
            values = dict.fromkeys(one[name] for one in combinations(scene, passdb) if name in one)
        elif name in _OF_THE_LOGIN:
            values = dict.fromkeys((_OF_THE_LOGIN[name](scene),))
        else:
            continue
        found.append(Sent(written(name, dialect), tuple(values), _needed(condition, dialect)))
    return tuple(found)


# What else a login has beside the name.  The last three are a master user's only.
_OF_THE_LOGIN: dict[str, Callable[[Scene], str]] = {
    "service": lambda scene: scene.service,
    "mech": lambda scene: (scene.mechanism or "PLAIN").upper(),
    "login_user": lambda _: "",
    "login_username": lambda _: "",
    "login_domain": lambda _: "",
}
_QUOTED = re.compile(r"'[^']*'")
_OPERATOR = re.compile(r"(=|<>|!=|\b(?:NOT\s+)?(?:I?LIKE|IN)\b)", re.IGNORECASE)


def _needed(condition: str, dialect: Dialect) -> str:
    """The other side of a plain comparison with one variable, with its operator; "" where it is none."""
    text = condition.strip()
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip()
    parts = [part.strip() for part in _OPERATOR.split(text)]
    if len(parts) != 3 or re.search(r"\b(?:AND|OR)\b", text, re.IGNORECASE):
        return ""
    left, operator, right = parts
    if bool(used(left, dialect)) == bool(used(right, dialect)):
        return ""
    sent, other = (left, right) if used(left, dialect) else (right, left)
    turns = sent is left or operator in ("=", "<>", "!=")  # else the two sides are not alike
    whole = _QUOTED.fullmatch(sent) and other.count("(") == other.count(")")
    return f"{operator.upper()} {other}" if turns and whole else ""


def _own(scene: Scene, usual: Values) -> Values:
    """The client on this machine: several of its values may matter together."""
    ours = sent(scene)
    return {name: ours.get(_REAL.get(name, name), value) for name, value in usual.items()}


_OF_THE_QUERY = frozenset(
    {Failing.TABLE, Failing.COLUMN, Failing.SYNTAX, Failing.PERMISSION, Failing.NO_FIELD, Failing.ROWS}
    | {Failing.VARIABLE}
)
_RANK = {
    Outcome.FOUND: 0,
    Outcome.NO_PASSWORD: 1,
    Outcome.REFUSED: 1,
    Outcome.DENIED: 1,
    Outcome.FAILED: 2,
    Outcome.UNKNOWN_USER: 3,
}


def _differs(one: Record, other: Record) -> bool:
    kinds = [record.failure.kind if record.failure else None for record in (one, other)]
    return one.outcome is not other.outcome or kinds[0] is not kinds[1] or one.stored != other.stored


def _otherwise(scene: Scene, record: Record, client: Values, mine: Values) -> Otherwise:
    told = _told(scene, client, mine)
    failure = replace(record.failure, client=told) if record.failure else None
    return Otherwise(told, record.outcome, failure, _told(scene, mine, client))


def _told(scene: Scene, client: Values, mine: Values) -> str:
    """What is other in this client, as the administrator's query has it."""
    dialect = scene.config.version.dialect
    other = (name for name in client if client[name] != mine[name] and name not in _REAL)
    return " and ".join(f"{written(name, dialect)} = {client[name]!r}" for name in other)


def usual(scene: Scene, passdb: Passdb) -> Values:
    """What a client's variables are, where only one lookup is to be made."""
    return combinations(scene, passdb)[0]


def sent(scene: Scene) -> Values:
    """What a login of our own says of its client: on this machine, where nothing else is known.

    What else a passdb decides by is as the client has it for whom its entry was read; what cannot be said is
    left out.
    """
    found = {"session": SESSION, "lip": _local(scene, ())[0], "rip": scene.address or _HERE}
    found |= {"lport": _ports(scene, ())[0], "rport": "49152"}
    asked_for = names(scene)
    if "secured" in asked_for:
        found["secured"] = _secured(scene, ())[0] or "secured"  # as it is on this machine
    if "local_name" in asked_for and (name := _name(scene, ())[0]):
        found["local_name"] = name
    for case in scene.cases:
        mine = dict(case.record.client)
        found |= {name: mine[name] for name in ("lport", "secured") if mine.get(name)}
    if found["lport"] == "0":
        del found["lport"]  # Dovecot takes it for no port, and doveadm ends
    return found


def names(scene: Scene) -> frozenset[str]:
    """The client's variables that a passdb of this Dovecot decides by."""
    dialect = scene.config.version.dialect
    every = {name for one in scene.config.passdbs for text in texts(one) for name in used(text, dialect)}
    return frozenset(_REAL.get(name, name) for name in every & OF_THE_CLIENT)


def refused(scene: Scene, client: Values) -> str:
    """What is other in this client than in the one whose entry was read, and gets it no entry; else ""."""
    for case in scene.cases:
        mine = dict(case.record.client)
        others = {one.client for one in case.record.otherwise}
        for name in mine.keys() & client.keys():
            told = _told(scene, mine | {name: client[name]}, mine)
            if told and told in others:
                return told
    return ""


def texts(passdb: Passdb) -> tuple[str, ...]:
    """All of a passdb that has variables in it."""
    source = passdb.source
    fields = tuple(value for _, value in (*passdb.default_fields, *passdb.override_fields))
    if isinstance(source, SqlSource):
        return (source.query, *fields)
    if isinstance(source, FileSource):
        return (source.path, source.username_format, *fields)
    if isinstance(source, StaticSource):
        return (source.password or "", *(value for _, value in source.fields), *fields)
    return fields


def _with_real(values: Values, names: set[str]) -> Values:
    """The real addresses are the others, where no proxy stands between."""
    return values | {name: values[_REAL[name]] for name in names if name in _REAL}


def _values(name: str, scene: Scene, templates: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(_OF[name](scene, templates))) or [""]


def _secured(scene: Scene, _templates: tuple[str, ...]) -> list[str]:
    tree = scene.config.tree
    if scene.port and scene.service in _LISTENING:
        listeners = configured(scene.config, (scene.service,))
        if any(one.port == scene.port and one.tls for one in listeners):
            return ["TLS"]  # the port that was named begins with it
    found = ["TLS"] if tree.get("ssl", "yes") != "no" else []
    if _cleartext(tree):
        found.append("")
    return [*found, "secured"]


def _cleartext(tree: Block) -> bool:
    allowed = tree.get("disable_plaintext_auth") == "no" or tree.get("auth_allow_cleartext") == "yes"
    return allowed and tree.get("ssl") != "required"


def _remote(scene: Scene, templates: tuple[str, ...]) -> list[str]:
    return [scene.address] if scene.address else [_ELSEWHERE, _HERE, *_compared(templates)]


def _local(scene: Scene, templates: tuple[str, ...]) -> list[str]:
    return [scene.host] if is_address(scene.host) else [_HERE, *_compared(templates)]


def _compared(templates: tuple[str, ...]) -> list[str]:
    """The addresses that stand in the text."""
    words = (word.strip(".:") for text in templates for word in _WORD.findall(text))
    return [word for word in dict.fromkeys(words) if is_address(word)]


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ports(scene: Scene, _templates: tuple[str, ...]) -> list[str]:
    """Where this service listens; Postfix names no port."""
    if scene.port:
        return [str(scene.port)]
    listeners = configured(scene.config, (scene.service,)) if scene.service in _LISTENING else ()
    return [str(one.port) for one in listeners if one.port] or ["0"]


_LISTENING = frozenset({"imap", "pop3", "submission", "sieve"})


def _certificate(scene: Scene, _templates: tuple[str, ...]) -> list[str]:
    tree = scene.config.tree
    asked = any(
        tree.get(name) == "yes"
        for name in (
            "auth_ssl_require_client_cert",
            "ssl_verify_client_cert",
            "ssl_server_request_client_cert",
        )
    )
    return ["", "valid"] if asked else [""]


def _name(scene: Scene, _templates: tuple[str, ...]) -> list[str]:
    """What the client calls the server in TLS; nothing without TLS."""
    return ["" if is_address(scene.host) else scene.host]


def _any(value: str) -> Callable[[Scene, tuple[str, ...]], list[str]]:
    return lambda _scene, _templates: [value]


_OF: dict[str, Callable[[Scene, tuple[str, ...]], list[str]]] = {
    "secured": _secured,
    "rip": _remote,
    "lip": _local,
    "lport": _ports,
    "rport": _any("49152"),
    "pid": _any("4711"),
    "cert": _certificate,
    "session": _any(SESSION),
    "local_name": _name,
    "client_id": _any(""),
    "ssl_ja3_hash": _any(""),
    "ssl_client_cert_fp": _any(""),
    "ssl_client_cert_pubkey_fp": _any(""),
}
