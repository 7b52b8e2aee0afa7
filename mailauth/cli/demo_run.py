"""What ``mailauth demo`` shows: the incident that mailauth was written for, on a real Dovecot of its own."""

import click

from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.render.text import diagnosis_text

_USER = "alice"
_PASSWORD = Password.of("correct horse battery staple")
_COLUMN = 78
_MEMORY = 256 * 1024  # KiB, as doveadm pw -s ARGON2ID -r 3 takes; one pass, so that the demo is short


def demo(dovecot: str | None) -> None:
    """All of it, with what is said at each step."""
    with Lab(
        dovecot=dovecot, store="sqlite", users={_USER: generate("BLF-CRYPT", _PASSWORD, cost=10)}
    ) as lab:
        click.echo(f"A private Dovecot {lab.version} with an SQLite store.  Nothing of yours is touched.\n")
        _step(lab, "1. alice's password is stored as bcrypt, and she logs in.")
        stored = generate("ARGON2ID", _PASSWORD, memory=_MEMORY, time=1, lanes=1)
        lab.set_password(_USER, stored)
        _step(lab, "2. It is stored again as Argon2id with 256 MiB, and she cannot log in.")
        verified = lab.run("doveadm", "pw", "-t", stored, input=_PASSWORD.raw.decode() + "\n")
        _line("   doveadm pw -t, by hand:", "verified" if verified.returncode == 0 else "not verified")
        lab.logs("mismatch", 10.0)
        mismatch = [line[line.index("auth") :] for line in lab.log().splitlines() if "mismatch" in line]
        click.echo(f"   the log:  {mismatch[-1] if mismatch else '(nothing)'}")
        raised = "service auth {\n  vsz_limit = 1G\n}\n"
        lab.configure(raised)
        lab.reload()
        _step(lab, "3. The manual says to raise service auth { vsz_limit }.  1G, and reloaded.")
        click.echo(f"\n$ mailauth diagnose {_USER} --password-fd 3")
        found = _diagnose(lab)
        remedy = found.diagnosis.findings[0].problem.remedy.config[lab.dialect]
        lab.configure(raised + remedy + "\n")
        lab.reload()
        click.echo("")
        _step(lab, "4. The fix, pasted as printed, and doveadm reload.")
        click.echo(f"\n$ mailauth diagnose {_USER} --password-fd 3 | tail -1")
        after = _look(lab)
        click.echo(diagnosis_text(after.diagnosis, lab.dialect).splitlines()[-1])


def _step(lab: Lab, what: str) -> None:
    """Say what was done, log in, and say how that ended."""
    _line(what, "login OK" if lab.login(_USER, _PASSWORD.raw).ok else "login FAILS")


def _line(what: str, answer: str) -> None:
    click.echo(f"{what:<{_COLUMN}} {answer}")


def _look(lab: Lab) -> Looked:
    return look(Target(_USER, at_pid(lab.master_pid, None), _PASSWORD))


def _diagnose(lab: Lab) -> Looked:
    looked = _look(lab)
    click.echo(diagnosis_text(looked.diagnosis, lab.dialect), nl=False)
    return looked
