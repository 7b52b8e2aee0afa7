"""``mailauth checkup`` and ``mailauth audit``, as a person runs them."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import ROOT, mailauth

GOOD = generate("ARGON2ID", Password.of("correct horse"), user="")
SCHEMA = ROOT / "mailauth" / "schemas" / "audit.json"
ROWS = {"alice": GOOD, "bob": GOOD[:50], "carl": GOOD.replace("ARGON2ID}", "BCRYPT}")}


def test_all_and_audit_of_a_running_dovecot(
    lab: Callable[..., Lab], dovecot_version: str, store: str
) -> None:
    with lab(dovecot_version, store, ROWS) as one:
        pid = str(one.master_pid)
        checked = mailauth("checkup", "--pid", pid, "--json")
        audited = mailauth("audit", "--pid", pid, "--json")
        table = mailauth("audit", "--pid", pid)
        later = mailauth("checkup", "--as-if", "2.4.5", "--pid", pid)
    assert checked.stderr == audited.stderr == table.stderr == later.stderr == ""
    told = json.loads(checked.stdout)
    assert [each["code"] for each in told["findings"]] == ["STORE001", "STORE003"]
    assert checked.returncode == 1
    jsonschema.validate(told, json.loads((ROOT / "mailauth" / "schemas" / "diagnosis.json").read_text()))
    report = json.loads(audited.stdout)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    fates = {each["users"][0]: each["fate"] for each in report["stores"][0]["classes"]}
    assert fates == {"alice": "sound", "bob": "never matches", "carl": "unknown scheme"}
    assert audited.returncode == table.returncode == 1
    assert "never matches: cut off" in table.stdout
    assert "As if this were Dovecot 2.4.5" in later.stdout
    for stream in (checked.stdout, audited.stdout, table.stdout, later.stdout):
        assert GOOD[-43:] not in stream


def test_a_healthy_one_is_status_0(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "sqlite", {"alice": GOOD}) as one:
        checked = mailauth("checkup", "--pid", str(one.master_pid))
        audited = mailauth("audit", "--pid", str(one.master_pid))
    assert (checked.returncode, audited.returncode) == (0, 0), checked.stdout
    assert "Nothing found" in checked.stdout


def test_audit_of_a_url(lab: Callable[..., Lab], tmp_path: Path) -> None:
    """Each kind of store, without its Dovecot; the password by a descriptor."""
    for kind in ("pgsql", "mysql", "sqlite", "passwd-file"):
        with lab(None, kind, ROWS) as one:
            place = one.store.place
            words = [
                "--rows-query",
                "SELECT userid AS user, password FROM users",
                "--dovecot",
                "2.4.1",
                "--csv",
            ]
            if place.path:
                start = "passwd-file:" if kind == "passwd-file" else "sqlite://"
                done = mailauth("audit", "--url", f"{start}{place.path}", *words)
            else:
                start = {"pgsql": "postgresql", "mysql": "mysql"}[kind]
                url = f"{start}://{place.user}@{place.host}:{place.port}/{place.database}"
                done = with_password(place.password, "audit", "--url", url, *words)
                secret = tmp_path / f"{kind}.url"
                secret.write_text(url.replace("@", f":{place.password}@"))
                assert from_file(secret, "audit", *words) == done.stdout
        assert done.stderr == "", kind
        assert done.returncode == 1
        lines = list(csv.DictReader(io.StringIO(done.stdout)))
        assert {line["users"]: line["fate"] for line in lines} == {
            "alice": "sound",
            "bob": "never matches",
            "carl": "unknown scheme",
        }


def test_as_many_users_are_named_as_asked(tmp_path: Path) -> None:
    """With their domain; and that there are more is said."""
    file = tmp_path / "users"
    file.write_text("".join(f"u{number}@example.org:{{SHA512-CRYPT}}$6$cut\n" for number in range(7)))
    url = ("audit", "--url", f"passwd-file:{file}")
    for count in (3, 7):
        told = mailauth(*url, "--names", str(count)).stdout
        names = ", ".join(f"u{number}@example.org" for number in range(count))
        assert f"({names}{', ...' if count < 7 else ''})" in told


def with_password(password: str, *words: str) -> subprocess.CompletedProcess[str]:
    return mailauth(*words, "--password-fd", "0", feed=f"{password}\n")


def from_file(file: Path, *words: str) -> str:
    return mailauth(*words, "--url-fd", "0", feed=file.read_bytes()).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["audit", "--url", "postgresql://a:secret@h/d"], "seen by everyone"),
        (["audit", "--url", "mysql://a@h/d?password=secret"], "seen by everyone"),
        (["audit", "--url", "oracle://h/d"], "begins with none of"),
        (["audit", "--url", "sqlite://"], "names no file"),
        (["audit", "--url", "postgresql://h:x/d"], "the URL is none"),
        (["audit", "--url", "sqlite:///x", "--pid", "1"], "leave one out"),
        (["audit", "--default-scheme", "CRYPT"], "goes with --url"),
        (["audit", "--json", "--csv"], "audit --csv makes no use of --json: leave it out."),
        (["checkup", "alice"], "unexpected extra argument"),
        (["checkup", "--login"], "No such option"),
        (["diagnose", "alice", "--as-if", "2.4.1"], "No such option"),
        (["checkup", "--as-if", "new"], "is not a Dovecot version"),
        (["checkup", "--as-if", "2.2.36"], "Dovecot 2.2.36: mailauth knows the versions 2.3 and 2.4."),
        (["hash", "new", "--for", "100.1"], "Dovecot 100.1.0: mailauth knows the versions 2.3 and 2.4."),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], says: str) -> None:
    done = mailauth(*words)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert sum(line.startswith(("mailauth:", "Error:")) for line in done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("passwd-file:/nowhere/users", "there is no such passwd-file"),
        ("sqlite:///nowhere/users", "sqlite"),
        ("postgresql://nobody@127.0.0.1:1/none", "pgsql"),
        ("mysql://nobody@127.0.0.1:1/none", "mysql"),
    ],
)
def test_a_store_that_cannot_be_read_is_status_3(url: str, says: str) -> None:
    done = mailauth("audit", "--url", url)
    assert done.returncode == 3, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_picture(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("".join(f"{user}:{stored}\n" for user, stored in ROWS.items()))
    done = mailauth(
        "audit", "--url", f"passwd-file:{users}", "--picture", str(tmp_path / "a.png"), HOME=str(tmp_path)
    )
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    wrong = mailauth("audit", "--url", f"passwd-file:{users}", "--picture", str(tmp_path / "a.xyz"))
    assert wrong.returncode == 2
    old = mailauth(
        "audit", "--url", f"passwd-file:{users}", f"--png={tmp_path / 'a.svg'}", HOME=str(tmp_path)
    )
    assert old.stderr == "mailauth: audit --png is called --picture now\n"
    assert "<svg" in (tmp_path / "a.svg").read_text()
