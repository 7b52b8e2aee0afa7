"""Faults that nobody listed: each is named, or said to be undecided; never is a wrong cause told.

One lab has many users, each with another odd string; a lab for each odd setting.
"""

import base64
import hashlib
import imaplib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from mailauth.finding import Certainty, Severity
from mailauth.hashes import Password, generate
from mailauth.hashes.mend import mend
from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id, record

Make = Callable[..., Proof]

GOOD = argon2id(memory=1 * MiB)
BARE = GOOD.partition("}")[2]
CRYPT = generate("SHA512-CRYPT", Password(SECRET), rounds=5000)
BCRYPT = generate("BLF-CRYPT", Password(SECRET), cost=5)


def lowered(stored: str) -> str:
    scheme, brace, payload = stored.partition("}")
    return scheme + brace + payload.lower()


# What every default scheme takes alike; and whether mending brings the login back.
NAMED: dict[str, tuple[str, str, bool]] = {
    "HTML's &#36;": (GOOD.replace("$", "&#36;"), "HASH032", True),
    "HTML's &#x24; in a crypt": (CRYPT.replace("$", "&#x24;"), "HASH032", True),
    "a URL's %24": (quote(GOOD, safe="{}"), "HASH032", True),
    "base64 of all of it": (base64.b64encode(GOOD.encode()).decode(), "HASH032", True),
    "hex of all of it": (GOOD.encode().hex(), "HASH032", True),
    "base64 behind the scheme": ("{ARGON2ID}" + base64.b64encode(BARE.encode()).decode(), "HASH032", True),
    "PostgreSQL's bytea": ("\\x" + GOOD.encode().hex(), "HASH032", True),
    "Python's b''": (f"b'{GOOD}'", "HASH032", True),
    "JSON": (f'["{GOOD}"]', "HASH032", True),
    "a blank of no width inside": (GOOD[:40] + "\u200b" + GOOD[40:], "HASH032", True),
    "a blank of no width before": ("\u200b" + GOOD, "HASH032", True),
    "a blank that does not break after": (GOOD + "\u00a0", "HASH032", True),
    "full-width braces": ("\uff5bARGON2ID\uff5d" + BARE, "HASH032", True),
    "full-width dollars": (GOOD.replace("$", "\uff04"), "HASH032", True),
    "a control character": ("\x01" + GOOD, "HASH032", True),
    "an Argon2 in small letters": (lowered(GOOD), "HASH033", False),
    "an Argon2 in capitals": (GOOD.upper(), "HASH033", False),
    "a crypt in small letters": (lowered(CRYPT), "HASH033", False),
    "a bcrypt in small letters": (lowered(BCRYPT), "HASH033", False),
    "a bcrypt's cost of one digit": (BCRYPT.replace("$05$", "$5$"), "HASH021", False),
    "a name in angle brackets": (f"<ARGON2ID>{BARE}", "HASH031", True),
}


@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])
def test_strings_that_are_no_hash_any_more(proof: Make, dovecot_version: str, store: str) -> None:
    rows = {f"user{number}": row for number, row in enumerate(NAMED.items())}
    if store == "passwd-file":  # a colon ends the field there, and so does nothing else of these
        rows = {user: row for user, row in rows.items() if ":" not in row[1][0]}
    told = proof(dovecot_version, store, {user: stored for user, (_, (stored, _, _)) in rows.items()})
    wrong: list[str] = []
    mended: dict[str, str] = {}
    for user, (name, (stored, code, mends)) in rows.items():
        told.user = user
        if told.lab.login(user, SECRET).ok:
            wrong.append(f"{name}: the login works")
        for given in (SECRET, None):
            diagnosis = told.look(password=given).diagnosis
            found = {one.rule.code for one in diagnosis.findings} - {"HASH024"}  # it does log in, as text
            if found != {code} or diagnosis.undecided:
                wrong.append(f"{name}: {sorted(found)}, {[one.rule.code for one in diagnosis.undecided]}")
        again = mend(stored)
        if mends and again:
            mended[user] = again.stored.decode()
        elif mends:
            wrong.append(f"{name}: cannot be mended")
        record(told.lab, name, [code])
    assert wrong == []
    told.lab.set_users(mended)
    assert [user for user in mended if not told.lab.login(user, SECRET).ok] == []


# Where the default scheme is PLAIN, anything is a password: unless nobody would choose it.
TEXTS = {
    "a locked account": ("!" + CRYPT.partition("}")[2], "HASH035"),
    "a star": ("*", "HASH035"),
    "a 1, from || on MySQL": ("1", "HASH001"),
    "a { alone": ("{", "HASH005"),
    "a scheme cut off before its }": ("{ARGON2ID", "HASH005"),
    "a } alone": ("}", "HASH001"),
    "brackets alone": ("[]", "HASH001"),
    "the word NULL": ("NULL", "HASH029"),
    "the word None": ("None", "HASH029"),
    "MySQL's PASSWORD()": ("*" + hashlib.sha1(hashlib.sha1(SECRET).digest()).hexdigest().upper(), "HASH030"),  # noqa: S324 - MySQL's
    "Django's": ("pbkdf2_sha256$5000$abc$" + base64.b64encode(bytes(32)).decode(), "HASH030"),
    "MD5 in hex": (hashlib.md5(SECRET).hexdigest(), "HASH004"),  # noqa: S324 - what is found
    "SHA-512 in base64": (base64.b64encode(hashlib.sha512(SECRET).digest()).decode(), "HASH004"),
}


def test_texts_that_are_no_password(proof: Make) -> None:
    users = {f"user{number}": stored for number, (stored, _) in enumerate(TEXTS.values())}
    told = proof("2.4.1", "sqlite", users)
    wrong = []
    for user, (name, (stored, code)) in zip(users, TEXTS.items(), strict=True):
        told.user = user
        assert not told.lab.login(user, SECRET).ok
        assert told.lab.login(user, stored.encode()).ok  # which HASH024 says
        found = {one.rule.code for one in told.look(password=SECRET).diagnosis.findings}
        if found != ({code} if code == "HASH035" else {code, "HASH024"}):
            wrong.append(f"{name}: {sorted(found)}")
        record(told.lab, name, found)
        # Who has it for a password all the same is not contradicted; but that a lock opens is said.
        open_ = {one.rule.code for one in told.look(password=stored.encode()).diagnosis.findings}
        assert open_ == ({code} if code == "HASH035" else set()), name
    assert wrong == []


WRAPPED = {
    "the password with a { before it": ("{correct horse", "HASH031"),
    "the password in braces": ("{correct horse}", "HASH031"),
    "the password behind {PLAIN without }": ("{PLAINcorrect horse", "HASH031"),
    "the password in quotes": ('"correct horse"', "HASH008"),
    "{PLAIN} on a digest": ("{PLAIN}" + hashlib.sha256(SECRET).hexdigest(), "HASH012"),
}


def test_a_password_with_braces_or_quotes_around_it(proof: Make, dovecot_version: str) -> None:
    """Stored as it is, where the default scheme is PLAIN: the password given is right, the entry is not."""
    line = "default_pass_scheme = PLAIN" if dovecot_version < "2.4" else "default_password_scheme = PLAIN"
    users = {f"user{number}": stored for number, (stored, _) in enumerate(WRAPPED.values())}
    told = proof(dovecot_version, "sqlite", users, sql_extra=line)
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda user: told.lab.login(user, SECRET).ok, users))
    for told.user, (name, (_, code)) in zip(users, WRAPPED.items(), strict=True):
        told.finds({code, "HASH024"} if code == "HASH012" else {code}, password=SECRET)
        record(told.lab, name, {code})
    told.user = "user3"
    found = told.finds({"HASH008"}, password=SECRET)
    told.paste(found)
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)


NEVER = {
    "rounds=999999999": CRYPT.replace("rounds=5000", "rounds=999999999"),
    "bcrypt of cost 31": BCRYPT.replace("$05$", "$31$"),
    "Argon2 of 4294967295 passes": GOOD.replace("t=1,", "t=4294967295,"),
}


def test_hashes_that_take_for_ever_are_not_waited_for(proof: Make, dovecot_version: str) -> None:
    users = {f"user{number}": stored for number, stored in enumerate(NEVER.values())}
    told = proof(dovecot_version, "sqlite", users)
    for user, name in zip(users, NEVER, strict=True):
        told.user = user
        for given in (None, SECRET):
            diagnosis = told.look(password=given).diagnosis
            assert {one.rule.code for one in diagnosis.findings} == {"HASH034"}, name
            # Whether the password is right is not known, and said so.
            assert bool(diagnosis.undecided) == (given is not None)
        record(told.lab, name, ["HASH034"])


def test_a_bytea_column_is_read_as_dovecot_reads_it(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "pgsql", {"alice": GOOD})
    store = told.lab.store
    assert isinstance(store, SqlStore)
    turn = "ALTER TABLE users ALTER password TYPE {} USING {}(password, 'UTF8')"
    store.execute(turn.format("bytea", "convert_to"))
    told.lab.restart()
    assert told.logins() == [False]
    found = {one.rule.code for one in told.look(password=SECRET).diagnosis.findings}
    assert found - {"HASH024"} == {"HASH032"}
    store.execute(turn.format("text", "convert_from"))
    told.lab.restart()
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    record(told.lab, "a bytea column", found)


def test_a_query_that_gives_another_users_row(proof: Make) -> None:
    query = "SELECT userid AS user, password FROM users ORDER BY userid DESC LIMIT 1"
    users = {"alice": GOOD, "zoe": argon2id(b"another", memory=1 * MiB)}
    told = proof("2.4.1", "sqlite", users, query=query)
    (found,) = told.finds({"PASS001"}, password=SECRET)
    assert "zoe" in found.problem.says


def test_a_wrong_password_that_another_passdb_lets_in(proof: Make, dovecot_version: str) -> None:
    settings = {
        "2.3": "passdb {\n  driver = static\n  args = nopassword=y\n}\n",
        "2.4": "passdb static {\n  fields {\n    nopassword = yes\n  }\n}\n",
    }
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings=settings[dovecot_version[:3]])
    assert told.lab.login("alice", b"wrong").ok
    told.finds({"HASH023"}, password=b"wrong")


def _hold(lab: Lab) -> None:
    """A session that stays until _let_go."""
    link = imaplib.IMAP4("127.0.0.1", lab.ports["imap"])
    link.login("alice", SECRET.decode())
    _HELD.append(link)


def _let_go(_: Lab) -> None:
    while _HELD:
        _HELD.pop().shutdown()


_HELD: list[imaplib.IMAP4] = []
BEHIND = [
    Fault("service imap {\n  executable = /bin/false\n}\n", name="imap does not start"),
    Fault("service imap-login {\n  vsz_limit = 5 M\n}\n", name="imap-login does not start"),
    Fault("mail_chroot = /nonexistent\n", name="mail_chroot is not there"),
    Fault("protocol imap {\n  mail_plugins = nonexistent\n}\n", name="a plugin of imap is not there"),
    Fault(
        "protocol imap {\n  mail_max_userip_connections = 1\n}\n",
        name="mail_max_userip_connections is reached",
        do=_hold,
        undo=_let_go,
    ),
]


@pytest.mark.parametrize("fault", BEHIND, ids=lambda fault: fault.name)
def test_what_fails_behind_auth(proof: Make, dovecot_version: str, fault: Fault) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.finds(set(), password=SECRET, login=True)
    told.lab.configure(fault.settings)
    told.lab.reload()
    if fault.do:
        fault.do(told.lab)
    assert told.logins() == [True]  # auth has nothing against it
    code = "AUTH019" if "userip" in fault.name else "AUTH013"
    found = told.finds({code}, password=SECRET, login=True)
    record(told.lab, fault.name, [code])
    assert re.search(r"imap (?:from )?127\.0\.0\.1", found[0].problem.says)
    if fault.undo:
        fault.undo(told.lab)
    told.lab.configure("")
    told.lab.reload()
    told.finds(set(), password=SECRET, login=True)


UNSEEN = {
    "a client's certificate is wanted": "auth_ssl_require_client_cert = yes\n",
    "auth has a chroot": "service auth {\n  chroot = /tmp\n}\n",
    "a policy server": "auth_policy_server_url = http://127.0.0.1:1/\nauth_policy_hash_nonce = x\n"
    "auth_policy_reject_on_fail = yes\n",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_only_a_login_shows_is_said(proof: Make, dovecot_version: str, name: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings=UNSEEN[name])
    assert told.logins() == [False]
    for given in (None, SECRET):
        diagnosis = told.look(password=given).diagnosis
        assert {one.rule.code for one in diagnosis.findings} <= {"AUTH017"}, "the policy server is down"
        assert "AUTH013" in {one.rule.code for one in diagnosis.undecided}
    made = told.look(password=SECRET, login=True).diagnosis
    if "certificate" in name:  # our own login has none
        assert made.findings == ()
        assert "AUTH001" in {one.rule.code for one in made.undecided}
        return
    codes = {one.rule.code for one in made.findings}
    assert codes == ({"AUTH001", "AUTH017"} if "policy" in name else {"AUTH001"})
    record(told.lab, name, codes)


def test_a_static_userdb_is_not_told_from_outside(proof: Make, dovecot_version: str) -> None:
    """It asks the passdbs again when doveadm asks it, and they refuse what they take in a login.

    What a login gets follows from its own fields, so doveadm's answer is not needed.
    """
    users = {"alice": f"{GOOD}::::::allow_nets=127.0.0.1/32", "carol": f"{GOOD}::::::user=bob"}
    told = proof(dovecot_version, "passwd-file", users, protocols=("imap",))
    told.address = "127.0.0.1"
    told.finds(set(), password=SECRET)
    told.address = ""
    for told.user in users:
        diagnosis = told.look(password=SECRET).diagnosis
        assert diagnosis.findings == ()
        assert {one.rule.code for one in diagnosis.undecided} <= {"USER006"}


def test_a_proxy_that_leads_nowhere(proof: Make, dovecot_version: str) -> None:
    entry = f"{GOOD}::::::proxy=y host=127.0.0.1 port=1"
    told = proof(dovecot_version, "passwd-file", {"alice": entry}, protocols=("imap",))
    assert told.logins() == [True]
    (found,) = told.finds({"AUTH013"}, password=SECRET, login=True)
    record(told.lab, "a proxy that leads nowhere", [found.rule.code])


def test_mechanisms_without_a_password(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings="auth_mechanisms = external\n")
    found = told.finds({"CONF010"}, password=SECRET)
    told.paste(found)
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)


def test_an_auth_process_that_is_stopped(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    stopped = [one for one in told.lab.processes() if one.name() == "auth"]
    for one in stopped:
        one.suspend()
    try:
        diagnosis = told.look().diagnosis
    finally:
        for one in stopped:
            one.resume()
    (found,) = diagnosis.findings
    assert (found.rule.code, found.severity) == ("AUTH012", Severity.BLOCKS_LOGIN)
    assert f"process {stopped[0].pid} is stopped" in found.problem.says
    record(told.lab, "auth is stopped now", {"AUTH012"})
    assert any("is stopped (state T)" in one.missing.reason for one in diagnosis.undecided)


def test_a_pipe_for_a_passwd_file_is_not_waited_for(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    path = told.lab.store.path
    assert path
    path.unlink()
    os.mkfifo(path)
    diagnosis = told.look().diagnosis  # Dovecot itself would wait for ever, so it is asked nothing
    assert {one.rule.code for one in diagnosis.findings} <= {"CONF015"}
    assert any("it is no regular file" in one.missing.reason for one in diagnosis.undecided)


def test_auth019(proof: Make, dovecot_version: str) -> None:
    """Without a login the log and anvil tell; with more room, as the remedy has it, the next gets in."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.lab.configure("protocol imap {\n  mail_max_userip_connections = 1\n}\n")
    told.lab.reload()
    _hold(told.lab)
    link = imaplib.IMAP4("127.0.0.1", told.lab.ports["imap"])
    try:
        with pytest.raises(imaplib.IMAP4.error, match="Maximum number of connections"):
            link.login("alice", SECRET.decode())
    finally:
        link.shutdown()
    (found,) = told.finds({"AUTH019"})
    assert (found.severity, found.problem.certainty) == (Severity.BLOCKS_LOGIN, Certainty.PROVEN)
    assert "1 sessions of imap from 127.0.0.1" in found.problem.says
    told.paste([found])
    told.finds(set())
    _hold(told.lab)
    _let_go(told.lab)
    record(told.lab, "as many sessions as may be", ["AUTH019"])


def test_a_mechanism_that_no_passdb_is_for(proof: Make, dovecot_version: str) -> None:
    """PLAIN is offered, and the only passdb is for LOGIN."""
    name = "mechanisms" if dovecot_version < "2.4" else "mechanisms_filter"
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings="auth_mechanisms = plain login\n")
    told.finds(set(), password=SECRET)
    text = re.sub(r"(passdb [^{]*\{\n)", rf"\1  {name} = login\n", told.lab.config.read_text(), count=1)
    told.lab.config.write_text(text)
    told.lab.restart()
    assert told.lab.login("alice", SECRET).code == "temp_fail"
    (found,) = told.finds({"CONF010"}, password=SECRET, login=True)
    assert found.severity is Severity.RISK
    assert f"passdb 1 (passwd-file) is for login ({told.lab.config}:" in found.problem.says
