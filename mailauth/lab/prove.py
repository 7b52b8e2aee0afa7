"""Repeat a diagnosis in a lab: fail there, apply the remedy there, succeed there.

A private Dovecot of the same version gets the passdb's settings, the limits that are in force, and
the one user's row.  Nothing is written to the production server, and nothing of it is used but what
was read.
"""

import secrets

from mailauth import hashes
from mailauth.diagnosing import Looked
from mailauth.dovecot.authconfig import BLOCKING_DRIVERS, SERVICES, AuthConfig, ServiceName
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import PasswordCheck, Verifiers
from mailauth.finding import Bears, Finding, ProofStep
from mailauth.hashes import Hash, Password, Verdict
from mailauth.lab import Lab
from mailauth.probes.scene import Case

_LOGINS = 4  # in a row: some faults spare the first, or only the first
_NO_LIMIT: dict[Dialect, str] = {"2.3": "0", "2.4": "unlimited"}


def prove(looked: Looked, password: Password | None) -> tuple[ProofStep, ...]:
    """The steps, for the first finding whose remedy is a setting or a reload; () when none is.

    Without the right password a stand-in with the same parameters is hashed.  Raises CannotObserve
    when this Dovecot or its store cannot be had in a lab.
    """
    dialect = looked.config.version.dialect
    curable = [f for f in looked.diagnosis.findings if _cure(f, looked.config)]
    if not curable or not looked.cases:
        return ()
    case = looked.cases[0]
    stored, right = _row(looked, case, password)
    live = _limits(looked)
    base = _settings(looked.config, dialect)
    before = base + _stanzas(live, dialect)
    user = "proof"
    with Lab(
        dovecot=str(looked.config.version),
        store=case.passdb.driver,
        users={user: stored.decode("utf-8", "surrogateescape")},
        settings=before,
        sql_extra=_default_scheme(case, dialect) if case.passdb.driver != "passwd-file" else "",
        passdb_extra=_passdb_extra(case, dialect),
    ) as lab:
        failed = tuple(lab.login(user, right.raw).ok for _ in range(_LOGINS))
        said = _last_words(lab) if not all(failed) else ()
        remedy = "\n".join(_cure(finding, looked.config) for finding in curable)
        lab.configure(f"{before}\n{remedy}\n")
        lab.reload()
        mended = tuple(lab.login(user, right.raw).ok for _ in range(_LOGINS))
    own = (
        "the right password"
        if right is password
        else "a password of its own, hashed with the same parameters"
    )
    return (
        ProofStep(
            f"as it is now, with {own}", _stanzas(live, dialect).rstrip(), failed, said, not all(failed)
        ),
        ProofStep("after the remedy and doveadm reload", remedy.rstrip(), mended, (), all(mended)),
    )


def _last_words(lab: Lab) -> tuple[str, ...]:
    """What Dovecot logged of the failed logins: its last line about them, with auth_verbose on."""
    lab.logs("mismatch", 5.0)
    lines = [line[line.index("auth") :] for line in lab.log().splitlines() if "mismatch" in line]
    return tuple(lines[-1:])


def _cure(finding: Finding, config: AuthConfig) -> str:
    """The remedy as text to paste; for a missing reload, what the reload brings in."""
    if finding.rule.bears is Bears.RUNNING:
        limits: dict[ServiceName, int | None] = {n: s.vsz_limit for n, s in config.services.items()}
        return _stanzas(limits, config.version.dialect)
    return finding.problem.remedy.config.get(config.version.dialect, "")


def _row(looked: Looked, case: Case, password: Password | None) -> tuple[bytes, Password]:
    """The stored string and its password; a stand-in where the right password is not known."""
    checks = [fact for fact in looked.diagnosis.evidence if isinstance(fact, PasswordCheck)]
    if password is not None and checks and checks[0].verdicts[0] is Verdict.MATCH:
        return case.record.stored, password
    parsed = case.hash
    if not isinstance(parsed, Hash) or parsed.scheme.library != "libsodium":
        raise CannotObserve("the proof needs the right password for this hash: add -p.")
    own = Password.of(secrets.token_urlsafe(12))
    params = dict(parsed.params)
    scheme = "ARGON2I" if params["type"] == "argon2i" else "ARGON2ID"
    stored = hashes.generate(scheme, own, memory=params["m"], time=params["t"], lanes=params["p"])
    return stored.encode(), own


def _limits(looked: Looked) -> dict[ServiceName, int | None]:
    """The limits in force: those of the running processes, else those configured."""
    limits: dict[ServiceName, int | None] = {
        name: looked.config.services[name].vsz_limit for name in SERVICES
    }
    for fact in looked.diagnosis.evidence:
        if isinstance(fact, Verifiers):
            limits |= {process.service: process.limit for process in fact.processes}
    return limits


def _stanzas(limits: dict[ServiceName, int | None], dialect: Dialect) -> str:
    return "".join(
        f"service {name} {{\n  vsz_limit = {_NO_LIMIT[dialect] if limit is None else f'{limit} B'}\n}}\n"
        for name, limit in limits.items()
    )


def _settings(config: AuthConfig, dialect: Dialect) -> str:
    """The global settings that decide who verifies and what is accepted."""
    lines = []
    if config.cache_size:
        lines.append(f"auth_cache_size = {config.cache_size} B")
    if config.cache_verify_with_worker:
        lines.append("auth_cache_verify_password_with_worker = yes")
    if dialect == "2.4" and config.allow_weak:
        lines.append("auth_allow_weak_schemes = yes")
    return "".join(f"{line}\n" for line in lines)


def _default_scheme(case: Case, dialect: Dialect) -> str:
    name = "default_pass_scheme" if dialect == "2.3" else "default_password_scheme"
    return f"{name} = {case.passdb.default_scheme}"


def _passdb_extra(case: Case, dialect: Dialect) -> str:
    stays = case.passdb.verified_by == "auth" and case.passdb.driver in BLOCKING_DRIVERS
    if dialect == "2.3":
        return "args = blocking=no" if stays and case.passdb.driver in ("passwd", "shadow") else ""
    lines = ["use_worker = no"] if stays else []
    if case.passdb.driver in ("passwd-file", "pgsql") and case.passdb.verified_by == "auth-worker":
        lines.append("use_worker = yes")
    if case.passdb.driver == "passwd-file":
        lines.append(_default_scheme(case, dialect))
    return "\n".join(lines)
