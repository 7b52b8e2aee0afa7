"""Make Dovecot report its logins to our service, and take that back.

The key and the token go into files that only root reads; Dovecot's own files get a line that includes
them.  The change is made by ``mailauth fix``'s own engine: validated, reloaded, and taken back if either
fails.
"""

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from mailauth.diagnosing import Looked, Target
from mailauth.dovecot import conffiles
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.finding import Diagnosis
from mailauth.fix.apply import Ending, apply
from mailauth.fix.journal import FixState
from mailauth.fix.plan import Plan
from mailauth.fix.ready import Ready
from mailauth.migrate.desk import Desk
from mailauth.migrate.onlogin import FIELD, OnLogin, passdb_settings, policy_settings
from mailauth.records import dataclass
from mailauth.remedies import RELOAD

_NO_STORE = "{}: there is no passdb with hashes that could be migrated."


@dataclass(frozen=True, slots=True)
class Switch:
    """What enabling or disabling changes: files of ours that hold secrets, and Dovecot's own files.

    ``shown``: our files as they may be seen, without the key and the token.
    """

    plan: Plan
    secret: dict[str, bytes] = field(repr=False)  # path -> content; b"" takes the file away
    config: AuthConfig
    shown: Mapping[str, str] = field(default_factory=dict)


def to_enable(settings: OnLogin, config: AuthConfig, dovecot: Installation) -> Switch:
    """Raises Refused when this Dovecot's auth policy is in use already, CannotObserve, UsageError."""
    if url := config.tree.get("auth_policy_server_url"):
        ours = "on-login is enabled already" if FIELD in _text_of(config) else f"it is set to {url}"
        raise Refused(f"auth_policy_server_url: {ours}; Dovecot has one such server, and it is not changed.")
    if not any(one.changeable for one in config.passdbs):
        raise UsageError(_NO_STORE.format(config.file))
    dialect = config.version.dialect
    folder = Path(config.file).parent
    secret = {f"{folder}/mailauth-onlogin.conf.ext": policy_settings(settings, dialect).encode()}
    desk = Desk(dovecot)
    if dialect == "2.3":
        secret |= _seal_in_passdbs(settings, config, desk, folder)
    main = desk.lines(config.file)
    if main and not main[-1].endswith("\n"):
        main[-1] += "\n"
    main.append(f"!include_try {folder}/mailauth-onlogin.conf.ext\n")
    shown = {path: _without(settings, text.decode()) for path, text in secret.items()}
    return Switch(_plan("enable", desk), secret, config, shown)


def _without(settings: OnLogin, text: str) -> str:
    for hidden in (settings.key, settings.token, settings.nonce):
        text = text.replace(hidden, "...") if hidden else text
    return text


def to_disable(config: AuthConfig, dovecot: Installation) -> Switch:
    """Take our lines out of Dovecot's files, whatever else was changed in them.  Raises UsageError."""
    folder = Path(config.file).parent
    desk = Desk(dovecot)
    tree = conffiles.read(Path(config.file), dovecot.path)
    files = {config.file} | {block.file for block in tree.walk() if block.file}
    mark = f"!include_try {folder}/mailauth-"
    for file in sorted(files):
        if any(line.strip().startswith(mark) for line in desk.lines(file)):
            desk.after[file] = [line for line in desk.lines(file) if not line.strip().startswith(mark)]
    if not desk.changed():
        raise UsageError(f"{config.file}: on-login is not enabled here; there is nothing to take out.")
    names = dovecot.inside(lambda: [str(path) for path in folder.glob("mailauth-*.conf.ext")], list[str])
    return Switch(_plan("disable", desk), dict.fromkeys(names, b""), config)


def carry_out(switch: Switch, dovecot: Installation) -> Ending:
    """Write, validate, reload; taken back as a whole when that fails."""
    adding = {path: text for path, text in switch.secret.items() if text}
    gone = [path for path, text in switch.secret.items() if not text]
    dovecot.inside(lambda: _write(adding))
    looked = Looked(Diagnosis("", (), (), (), ()), switch.config, ())
    ending = apply(Ready(switch.plan, looked, Target("", dovecot)), verify=False)
    done = ending.state is FixState.APPLIED
    dovecot.inside(lambda: _remove(gone if done else list(adding)))
    return ending


def _plan(what: str, desk: Desk) -> Plan:
    return Plan(
        code=f"on-login-{what}",
        title=f"{what} rehashing on login",
        summary=(),
        careful=(),
        files=tuple(desk.changed()),
        store=None,
        commands=(RELOAD,),
    )


def _text_of(config: AuthConfig) -> str:
    return config.tree.get("auth_policy_request_attributes") + "".join(
        block.get("override_fields") for block in config.tree.all("passdb")
    )


def _seal_in_passdbs(settings: OnLogin, config: AuthConfig, desk: Desk, folder: Path) -> dict[str, bytes]:
    """2.3: each passdb that has hashes includes a line that makes the sealed field."""
    secret: dict[str, bytes] = {}
    blocks = conffiles.read(Path(config.file), desk.dovecot.path).all("passdb")
    ours = {one.number for one in config.passdbs if one.changeable and not (one.deny or one.master)}
    wanted = [(number, block) for number, block in enumerate(blocks, 1) if number in ours]
    if not wanted:
        raise UsageError(_NO_STORE.format(config.file))
    # From the last to the first, so that the numbers of the lines stay true.
    for number, block in reversed(wanted):
        name = f"{folder}/mailauth-seal-{number}.conf.ext"
        own = block.find("override_fields")
        secret[name] = passdb_settings(settings, own.value if own else "").encode()
        place = own if own and own.file == block.file else block
        lines = desk.lines(place.file)
        if place.line < 1 or lines[place.line - 1].rstrip().endswith("}"):
            raise Refused(
                f"{place.file}:{place.line}: a passdb on one line; write its braces on lines of their own."
            )
        lines.insert(place.line, f"  !include_try {name}\n")
    return secret


def _write(files: dict[str, bytes]) -> None:
    """Ours, readable by their owner only from the first byte on."""
    for path, text in files.items():
        try:
            Path(path).unlink(missing_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as why:
            raise CannotObserve(f"{path}: cannot be written ({why.strerror}); nothing was changed.") from None


def _remove(paths: list[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
