"""What the rules about the way through the passdbs share: the setting that leads it on, or ends it there."""

from collections.abc import Sequence
from contextlib import suppress

from mailauth.dovecot import username
from mailauth.dovecot.authconfig import Passdb
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthFile, AuthStart, Configured, Said, Startup, Step, UserName

_LEADS = {
    Said.OK: "result_success",
    Said.FAILURE: "result_internalfail",
    **dict.fromkeys((Said.MISMATCH, Said.UNKNOWN, Said.REFUSED), "result_failure"),
}
_DEFAULT = ("result_success=return-ok", "result_failure=continue", "result_internalfail=continue")
_SKIPS = ("username_filter", "mechanisms", "skip")  # in the words of Step.why


def setting(passdb: Passdb, step: Step) -> str:
    """The setting with its place, "result_failure = return-fail (FILE:LINE)"; "" for a default."""
    if step.said is Said.SKIPPED:
        name = next((name for name in _SKIPS if name in step.why), "")
        return _placed(name, passdb.place_of(name, f"{name}_filter"))
    name = _LEADS.get(step.said, "")
    value = getattr(passdb, name, "")
    if not name or f"{name}={value}" in _DEFAULT:
        return ""
    short = name == "result_success" and {"pass"} == {"pass", name} & dict(passdb.places).keys()
    return _placed("pass = yes" if short else f"{name} = {value}", passdb.place_of(name, "pass"))


def of_the_block(configured: Configured, number: int, field: str) -> str:
    """The setting of a passdb's block that sets a field for everybody, with its place; "" for none."""
    passdb = next((one for one in configured.config.passdbs if one.number == number), None)
    if passdb is None:
        return ""
    dialect = configured.config.version.dialect
    of = (("override_fields", passdb.override_fields), ("default_fields", passdb.set_before(dialect)))
    name = next((name for name, fields in of if any(one == field for one, _ in fields)), "")
    if name and dialect == "2.4":
        name = "fields"
    return _placed(name, passdb.place_of(name)) if name else ""


def changed_by(configured: Configured, name: UserName) -> tuple[str, ...]:
    """The settings that make another name of the one that was given, where that can be told."""
    with suppress(CannotObserve):
        return username.changed_by(name.given, configured.config, "imap")
    return ()


def stops_auth(start: AuthStart | None, files: Sequence[AuthFile]) -> tuple[tuple[AuthStart, ...], str]:
    """What says that auth does not start for one of these files, and the sentence; nothing where it does."""
    if start is None or start.starts or not any(one.path in start.words for one in files):
        return (), ""
    return (start,), f" auth does not start, so nobody can log in. Dovecot says: {start.words}."


def _placed(text: str, place: str) -> str:
    return f"{text} ({place})" if text and place else text


def not_included(startup: Startup) -> str:
    """Which includes of a passdb are comments: "!include auth-sql.conf.ext (a passdb: sql), FILE:LINE"."""
    told = [
        f"!include {one.file} (a passdb: {', '.join(one.drivers)}), {one.place}" for one in startup.commented
    ]
    return "; ".join(told)


def of_one_name(startup: Startup) -> str:
    """Which blocks of 2.4 are one passdb, where each of them was meant as one."""
    told = [f"{name} ({', '.join(places)})" for name, places in startup.one]
    return f"{' and '.join(told)} begins more than once, which makes one passdb, and no second one"
