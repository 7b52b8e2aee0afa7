"""What an eleventh look found: TLS with a directory, closed entries, PAM's lists, userdbs behind a bind."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailauth.finding import Finding, Severity
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE
from mailauth.lab.stores.ldap import LdapStore
from mailauth.lab.stores.system import Accounts
from mailauth.stores.closed_entry import closed
from mailauth.stores.pam_lists import Listed, Who, access, hours, listfile, program
from mailauth.stores.shadow import Account
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_ldap_bind import codes, judged, told

MakeLab = Callable[..., Lab]
STORED = "{PLAIN}" + SECRET.decode()


@contextmanager
def ldap(lab: MakeLab, version: str, kind: str, **more: Any) -> Iterator[tuple[Proof, LdapStore]]:
    with lab(version, kind, {"alice": STORED}, **more) as one:
        assert isinstance(one.store, LdapStore)
        yield Proof(one), one.store


def again(one: Proof, store: LdapStore) -> None:
    """Both anew: slapd with its files as they are now."""
    store.server.stop()
    store.server.start()
    one.lab.restart()


def edit(lab: Lab, old: str, new: str) -> None:
    path = lab.config if lab.dialect == "2.4" else lab.folder / "dovecot-ldap.conf.ext"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def issue(folder: Path, names: tuple[str, ...], days: int) -> None:
    """In place of the lab's: an authority's certificate, and one that it signed, for so many days."""
    now = dt.datetime.now(dt.UTC)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def begun(whose: ec.EllipticCurvePrivateKey, subject: str, end: int) -> x509.CertificateBuilder:
        name, signer = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, "Own CA")
        )
        made = x509.CertificateBuilder().subject_name(name).issuer_name(signer).public_key(whose.public_key())
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now - dt.timedelta(days=99)).not_valid_after(
            now + dt.timedelta(days=end)
        )

    root = begun(authority, "Own CA", 30).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    others = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
    leaf = begun(key, names[0], days).add_extension(x509.SubjectAlternativeName(others), critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ldap-ca.crt").write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    (folder / "ldap.crt").write_bytes(leaf.sign(authority, hashes.SHA256()).public_bytes(pem))
    written = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ldap.key").write_bytes(written)


def directory_fails(one: Proof) -> Finding:
    assert not one.logins()[0]
    return next(found for found in one.look().diagnosis.findings if found.rule.code == "LDAP001")


def test_why_tls_with_a_directory_fails(lab: MakeLab, dovecot_version: str) -> None:
    with ldap(lab, dovecot_version, "ldaps") as (one, store):
        folder = one.lab.folder
        assert one.logins()[0]
        issue(folder, ("127.0.0.1",), days=-1)
        again(one, store)
        found = directory_fails(one)
        assert "its certificate expired on " in found.problem.says
        assert "authorit" not in found.problem.says
        assert "a certificate that is valid now" in found.problem.remedy.summary
        record(one.lab, "the directory's certificate has expired", ("LDAP001",))
        issue(folder, ("directory.invalid",), days=30)
        again(one, store)
        assert "is for directory.invalid, not for 127.0.0.1" in directory_fails(one).problem.says
        record(one.lab, "the directory's certificate is for another name", ("LDAP001",))
        issue(folder, ("127.0.0.1",), days=30)
        again(one, store)
        assert one.logins()[0]
        signed = (folder / "ldap.crt").read_bytes(), (folder / "ldap.key").read_bytes()
        issue(folder, ("127.0.0.1",), days=30)
        (folder / "ldap.crt").write_bytes(signed[0])
        (folder / "ldap.key").write_bytes(signed[1])
        again(one, store)
        found = directory_fails(one)
        assert f"signed by Own CA, whose certificate is not in {folder}/ldap-ca.crt" in found.problem.says
        record(one.lab, "the directory's authority is not known", ("LDAP001",))
        edit(one.lab, f":{store.server.secured}", f":{store.server.port}")
        one.lab.restart()
        found = directory_fails(one)
        assert "speaks no TLS: it speaks LDAP in the clear there" in found.problem.says
        assert "StartTLS has the usual one" in found.problem.remedy.summary
        record(one.lab, "ldaps is asked of the port without TLS", ("LDAP001",))


def test_an_entry_that_is_closed_without_a_password(lab: MakeLab, dovecot_version: str) -> None:
    """The entry itself says it: nothing is asked of the server that could count as an attempt."""
    with ldap(lab, dovecot_version, "ldap-bind", settings="") as (one, store):
        server, name = store.server, f"uid=alice,{PEOPLE}"
        server.stop()
        server.configure("moduleload ppolicy\noverlay ppolicy\nppolicy_default cn=policy,dc=lab\n")
        server.start()
        policy = {"objectClass": ["device", "pwdPolicy"], "cn": ["policy"], "pwdAttribute": ["userPassword"]}
        server.add({"cn=policy,dc=lab": {**policy, "pwdLockout": ["TRUE"], "pwdMaxFailure": ["99"]}})
        one.lab.restart()
        assert one.logins()[0]
        one.finds(set())
        for attribute, value, words, blocks in (
            ("pwdStartTime", "20991231000000Z", "pwdStartTime lets nobody in with it before 2099", True),
            ("pwdEndTime", "20200101000000Z", "pwdEndTime lets nobody in with it since 2020", True),
            ("pwdAccountLockedTime", "000001010000Z", "locks it until it is unlocked", True),
            ("pwdAccountLockedTime", "20200101000000Z", "the account was locked then", False),
        ):
            server.change_forced(name, attribute, value)
            (found,) = one.finds({"LDAP007"})
            assert words in found.problem.says
            assert found.severity is Severity.RISK  # whether there is a policy only a bind shows
            if blocks:
                assert not one.logins()[0]
                (bound,) = told(one.lab, "alice").findings
                assert bound.rule.code == "LDAP007"
                assert words in bound.problem.says
                record(one.lab, f"{attribute} closes the entry", ("LDAP007",))
            server.change_forced(name, attribute, None)
        assert judged(one.lab, "alice") == {}


def test_what_other_directories_write_into_a_closed_entry() -> None:
    now = time.time()
    soon, past = ((int(now) + at + 11_644_473_600) * 10_000_000 for at in (99, -99))
    for name, value, words in (
        ("userAccountControl", "514", "disables the account"),
        ("userAccountControl", "512", ""),
        ("accountExpires", str(past), "accountExpires ended the account on "),
        ("accountExpires", str(soon), ""),
        ("accountExpires", str(2**63 - 1), ""),
        ("nsAccountLock", "TRUE", "nsAccountLock is true"),
        ("lockoutTime", "133500000000000000", "was locked"),
        ("lockoutTime", "0", ""),
        ("msDS-User-Account-Control-Computed", "16", "is locked now"),
        ("msDS-User-Account-Control-Computed", "8388608", "the password has expired"),
        ("msDS-User-Account-Control-Computed", "0", ""),
    ):
        one = closed({name.lower(): (value.encode(),)}, now)
        assert bool(one) == bool(words)
        assert words in (one.says if one else "")


def test_a_directorys_entry_filter_and_userdb(lab: MakeLab, dovecot_version: str) -> None:
    """An alias, 2.3's variables in 2.4, no filter at all, and a userdb that fails behind a bind."""
    with ldap(lab, dovecot_version, "ldap") as (one, store):
        store.server.remove([f"uid=alice,{PEOPLE}"])
        real = {"objectClass": ["inetOrgPerson"], "uid": ["al"], "cn": ["al"], "sn": ["al"]}
        store.server.add({f"uid=al,{PEOPLE}": {**real, "userPassword": [STORED]}})
        points = {"objectClass": ["alias", "extensibleObject"], "uid": ["alice"]}
        store.server.add({f"uid=alice,{PEOPLE}": {**points, "aliasedObjectName": [f"uid=al,{PEOPLE}"]}})
        edit(one.lab, "(&(objectClass=inetOrgPerson)(uid=", "(&(objectClass=*)(uid=")
        one.lab.restart()
        assert not one.logins()[0]
        (found,) = one.finds({"LDAP004"})
        assert f"the entry uid=alice,{PEOPLE} is an alias" in found.problem.says
        record(one.lab, "the user's entry is an alias", ("LDAP004",))
        if one.lab.dialect == "2.4":
            edit(one.lab, "(uid=%{user})", "(uid=%u)")
            one.lab.restart()
            assert not one.logins()[0]
            (found,) = one.finds({"LDAP005"})
            assert "%u is a variable of Dovecot 2.3" in found.problem.says
    ids = "first_valid_uid = 65535\n"
    with ldap(lab, dovecot_version, "ldap-template", settings=ids, protocols=("imap",)) as (one, _):
        assert one.logins()[0]
        assert set(codes(told(one.lab, "alice"))) == {"USERDB003"}
        record(one.lab, "the uid is not allowed, behind a bind", ("USERDB003",))
        if one.lab.dialect == "2.4":
            text = one.lab.config.read_text()
            one.lab.config.write_text("".join(s for s in text.splitlines(True) if "filter = (&" not in s))
            one.lab.restart()
            assert not one.logins()[0]
            (found,) = told(one.lab, "alice").findings
            assert "no passdb_ldap_filter is set" in found.problem.says
            record(one.lab, "a template without a filter", ("LDAP001",))


_DENIES = {
    "2.3": "passdb {{\n  driver = ldap\n  deny = yes\n  args = {}\n}}\n",
    "2.4": "passdb no {{\n  driver = ldap\n  deny = yes\n"
    "  ldap_uris = ldap://127.0.0.1:9\n  ldap_base = dc=lab\n"
    "  passdb_ldap_filter = (uid=%{{user}})\n}}\n",
}


def test_the_directory_of_a_passdb_that_denies_is_down(lab: MakeLab, dovecot_version: str) -> None:
    with lab(dovecot_version, "passwd-file", {"alice": hashed(SECRET)}) as made:
        one = Proof(made)
        file = one.write("deny.ext", "uris = ldap://127.0.0.1:9\nbase = dc=lab\npass_filter = (uid=%u)\n")
        made.config.write_text(
            made.config.read_text().replace("passdb ", _DENIES[made.dialect].format(file) + "passdb ", 1)
        )
        made.restart()
        assert not one.logins()[0]
        found = next(
            one for one in one.look(password=SECRET).diagnosis.findings if one.rule.code == "LDAP001"
        )
        assert found.severity is Severity.BLOCKS_LOGIN
        record(made, "the directory of a passdb that denies is down", ("LDAP001",))


_REST = "@include common-auth\n@include common-account\n"


def test_what_pams_lists_say(lab: MakeLab, dovecot_version: str) -> None:
    """pam_listfile, pam_access, pam_time and pam_exec on real accounts: each refuses, and lets in."""
    with lab(dovecot_version, "pam", {"alice": hashed(SECRET).removeprefix("{SHA512-CRYPT}")}) as made:
        assert isinstance(made.store, Accounts)
        one = Proof(made, address="127.0.0.1")
        made.folder.chmod(0o755)
        file = made.folder / "list"
        line = "auth required pam_listfile.so item=user sense={} file=" + str(file) + " onerr=fail\n"
        table = f"account required pam_access.so accessfile={file}\n"
        for text, module, words in (
            ("bob\n", line.format("allow"), f"alice is not listed in {file} ("),
            (
                "bob\nAlice\n",
                line.format("allow"),
                f"alice is not listed in {file}, where 'Alice' is another",
            ),
            ("bob\nalice\n", line.format("allow"), ""),
            ("alice\n", line.format("deny"), f"alice is listed in {file}"),
            (None, line.format("allow"), f"{file} is not there"),
            (
                "# of us\n+ : bob : ALL\n- : ALL EXCEPT root : ALL\n",
                table,
                f"{file}:3 (- : ALL EXCEPT root : ALL)",
            ),
            ("+ : alice : 127.0.0.0/8\n- : ALL : ALL\n", table, ""),
            ("- : alice : 127. LOCAL\n", table, f"{file}:1 (- : alice : 127. LOCAL) refuses alice"),
            ("- : alice : 10.0.0.0/8\n", table, ""),
            ("", "auth required pam_exec.so quiet /nowhere/ask\n", "its program /nowhere/ask is not there"),
            ("", "auth required pam_exec.so type=account /nowhere/ask\n", ""),
        ):
            file.unlink(missing_ok=True)
            if text is not None:
                file.write_text(text)
            made.store.set_services({"dovecot": module + _REST})
            assert one.logins()[0] is not bool(words)
            found = one.finds({"PAM002"} if words else set())
            assert not words or words in found[0].problem.says
            if words:
                record(made, f"{module.split()[2]} refuses: {words[:20].partition('/')[0]}", ("PAM002",))


def test_what_stays_open_of_pams_lists() -> None:
    """What depends on the client's address, a group, a name of a host or another release."""
    account = Account("anna", 1000, 1000, "/", "/bin/sh", "x", "passwd:1")
    anna = Who("anna", account, None, "", "dovecot")
    near = Who("anna", account, frozenset({"anna", "staff"}), "192.0.2.5", "dovecot")

    def of(text: str) -> Callable[[str], Listed]:
        return lambda _: Listed(text)

    def table(who: Who, text: str) -> object:
        return access((), who, of(text), lambda _: False).codes

    refused, taken = frozenset({"perm_denied"}), frozenset({"success"})
    both = refused | taken
    assert table(anna, "- : anna : 192.0.2.0/24\n") == both == table(anna, "- : staff : ALL\n")
    assert table(near, "- : staff : 192.0.2.0/24\n") == refused == table(near, "-:ALL EXCEPT bob:ALL\n")
    assert table(near, "- : bob : ALL\n+ : ALL : ALL\n- : anna : ALL\n") == taken
    assert table(near, "- : anna : host.invalid\n") == both == table(near, "- : @net : ALL\n")
    assert table(near, "- : anna : tty1 LOCAL\n") == taken == table(near, "- : anna : 192.0.3.\n")
    assert access((), near, of(""), lambda _: True).codes is None
    assert listfile(("item=group", "sense=allow", "file=/f"), anna, of("staff\n")).codes is None
    assert listfile(("item=group", "sense=allow", "file=/f"), near, of("staff\n")).codes == taken
    assert listfile(("item=user", "sense=allow", "file=/f", "apply=bob"), near, of("")).codes is None

    def at(text: str, day: int = 2, minute: int = 1200) -> object:
        return hours(near, of(text), (day, minute)).codes

    assert at("*;*;anna;Wk0800-1100\n") == refused == at("dovecot;*;!bob;!Al0000-2400\n")
    assert at("*;*;anna;Wk0800-1300\n") == taken == at("sshd;*;anna;Wk0800-1100\n")
    assert at("*;*;anna|bob;Wd0800-1300 | Tu1900-1300\n") == refused
    assert at("*;*;anna;Mo2200-1300\n") == taken
    assert at("*;*;@net;Wk0800-1100\n") is None is at("*;*;anna & !bob;Wk0800-1100\n")
    assert hours(near, of("*;*;anna;Wk0800-1100\n"), None).codes is None
    assert program(("/bin/ask",), "auth", lambda _: True).codes is None
