"""Lists as other programs write them, and hashes of other software, imported; a login is the judge."""

import io
import json
import time
from pathlib import Path

import pytest

from mailauth.errors import UsageError
from mailauth.hashes import Password, generate
from mailauth.hashes.csv_rows import Dialect, read_csv
from tests.hashes.test_foreign_verify import SECRET, STRINGS
from tests.migrate.test_apply import Make, migrated
from tests.migrate.test_import import FAST

__all__ = ["migrated"]
USER, PASSWORD = "u0@example.org", 'pä;s,s "word"'
QUOTED = '"pä;s,s ""word"""'
LISTS = {
    "Google": (
        "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],"
        "Password Hash Function [UPLOAD ONLY],Recovery Email,Change Password at Next Sign-In\n"
        f"A,B,{USER},{QUOTED},,x@example.net,TRUE\nC,D,other@example.org,0cc175b9c0f1b6a8,MD5,,\n"
    ),
    "Microsoft": f"Display name,Username,Password,Licenses\nA B,{USER},{QUOTED},none\n",
    "Entra": (
        "version:v1.0\nName [displayName] Required,User name [userPrincipalName] Required,"
        f"Initial password [passwordProfile] Required,Block sign in (Yes/No)\nA,{USER},{QUOTED},No\n"
    ),
    "cPanel": f'"Email","Password","Quota","Domain"\n"u0",{QUOTED},"250","example.org"\n',
    "Plesk": (
        "+-----+---+---+\n| address | flags | password |\n+-----+---+---+\n"
        f"| {USER} |  | {PASSWORD} |\n+-----+---+---+\n"
    ),
    "hMailServer": (
        f"accountid;accountaddress;accountpassword;accountpwencryption\r\n1;{USER};{QUOTED};0\r\n"
        "2;other@example.org;8fe7ca27a17adc33;3\r\n"
    ),
    "MDaemon": (
        f'"Email","MailBox","Domain","FullName","Password"\n"{USER}","u0","example.org","A",{QUOTED}\n'
    ),
    "Excel": f"sep=;\nuser;password\n{USER};{QUOTED}\n",
    "tabs": f"{USER}\t{QUOTED}\n",
    "semicolons": f"{USER};{QUOTED}\na@example.org;p,q\nb@example.org;r\n",
    "old Mac": f"user,password\r{USER},{QUOTED}\r",
}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_other_programs_are_read_as_they_come(migrated: Make, tmp_path: Path, encoding: str) -> None:
    """Each sets the same password, which nobody had before; a login says so of each."""
    old = generate("SSHA", Password(b"x"))
    one = migrated("2.3.19.1", "sqlite", {USER: old})
    file = tmp_path / "list.csv"
    file.touch(0o600)
    for name, text in LISTS.items():
        one.lab.set_password(USER, old)
        file.write_bytes(text.encode(encoding))
        words = ("import", str(file), *FAST, "--set", "--apply", "--json")
        told = json.loads(one.at(*words, status=int("other" in text or "a@" in text)))
        assert told["counts"].get("set") == 1, (name, told)
        assert told["counts"].get("malformed", 0) == text.count("other@"), name
        assert [why for why in told["reasons"] if "hash" in why] or "other@" not in text, name
        assert one.lab.login(USER, PASSWORD.encode()).ok, name


@pytest.mark.parametrize(
    ("text", "dialect", "password"),
    [
        ("Login Name|x|Kennwort\nu0|1|a,b\n", Dialect("|", user="1", password="3"), b"a,b"),
        ("Login Name;Kennwort\nu0;'a;b'\n", Dialect("", "'", "login name", "Kennwort"), b"a;b"),
        ('u0\ta"b\n', Dialect("\t", ""), b'a"b'),
    ],
)
def test_columns_delimiter_and_quote_can_be_said(text: str, dialect: Dialect, password: bytes) -> None:
    rows = [row for row in read_csv(io.BytesIO(text.encode()), dialect) if row.user == "u0"]
    assert [row.password.raw for row in rows if row.password] == [password]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("EmailAddress,UserName,Password\na,b,c\n", "may be the user"),
        ("E-Mail-Adresse;Benutzername;Kennwort\na;b;c\n", "may be the user"),
        ("a,b,c\nd,e,f\n", "3 columns"),
        ("ann:x\nbob:y,z\ncarl:q\n", "a colon between user and password: if so, add --delimiter :"),
        ("user:password\n", "a colon"),
        ("ann x\n", "a blank between user and password: if so, add --delimiter ' '"),
    ],
)
def test_what_column_is_the_user_is_not_guessed(text: str, says: str) -> None:
    """Only a command that has these options names them."""
    with pytest.raises(UsageError, match=says):
        list(read_csv(io.BytesIO(text.encode()), Dialect()))
    with pytest.raises(UsageError, match="lines such as user,password"):
        list(read_csv(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    "names",
    [
        "Benutzer;Passwort",
        "Benutzername [userPrincipalName] Erforderlich;Anfängliches Kennwort [passwordProfile] Erforderlich",
        "E-Mail-Adresse;Kennwort",
        "Adresse e-mail\tMot de passe",
        "Usuario,Contraseña",
        "usuario,contrasena",
        "Indirizzo e-mail,Password",
        "Usuário|Senha",
        "Użytkownik;Hasło",
        "Пользователь;Пароль",
    ],
)
def test_a_first_line_in_another_language_is_nobodys(names: str) -> None:
    mark = next(one for one in ";\t|," if one in names)
    rows = list(read_csv(io.BytesIO(f"{names}\nann{mark}x:y\n".encode())))
    assert [(row.user, row.password and row.password.raw) for row in rows] == [("ann", b"x:y")]


def test_two_columns_of_one_meaning_are_told_apart_by_their_name() -> None:
    text = "Benutzer,User,Password\na,b,c\n"
    said = Dialect(user="user", password="Password")
    assert [row.user for row in read_csv(io.BytesIO(text.encode()), said)] == ["b"]


def test_a_list_that_is_no_utf_8_names_what_it_is(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "passwd-file", {USER: "{PLAIN}x"})
    file = tmp_path / "list.csv"
    file.touch(0o600)
    for encoding in ("utf-16-le", "utf-16-be"):
        file.write_bytes(f"user,password\n{USER},x\n".encode(encoding))
        at = ("import", str(file), "--pid", str(one.lab.master_pid))
        assert f"add --encoding {encoding}" in one.run(*at, status=2, told=True)
        one.run(*at, "--encoding", encoding)


@pytest.mark.parametrize("default", ["MD5", "PLAIN"])
def test_hashes_of_other_software_are_verified_before_they_are_replaced(
    migrated: Make, tmp_path: Path, default: str
) -> None:
    """The listed password sets the new hash only where it is the one that the old hash is of."""
    hmail = "8fe7ca27a17adc337cd892b1d959b4e487b8f0ef09e32214f44fb1b07e461c532e9ec3"
    strings = [*(text for text in STRINGS.values() if text[0] != "{"), hmail, "$P$not-a-hash"]
    users: dict[str, str | None] = {f"u{n}": text for n, text in enumerate(strings)}
    users |= {f"w{n}": text for n, text in enumerate(strings)}
    one = migrated("2.3.19.1", "mysql", users, sql_extra=f"default_pass_scheme = {default}")
    file = tmp_path / "list.csv"
    file.touch(0o600)
    count = len(strings)
    lines = [f"u{n},{SECRET}" for n in range(count)] + [f"w{n},not it" for n in range(count)]
    file.write_text("\n".join(lines) + f"\nu{count - 1},{SECRET}\n")
    told = json.loads(one.at("import", str(file), *FAST, "--apply", "--json", status=1))
    assert told["counts"]["migrated"] == count - 1
    after = one.lab.store.users()
    assert {name: text for name, text in after.items() if name[0] == "w"} == {
        name: text for name, text in users.items() if name[0] == "w"
    }
    assert after[f"u{count - 1}"] == users[f"u{count - 1}"]
    assert [one.lab.login(f"u{n}", SECRET.encode()).ok for n in range(count)] == [True] * (count - 1) + [
        False
    ]
    one.at("undo", told["id"], "--apply")
    assert one.lab.store.users() == users


def test_a_list_of_the_stored_strings_themselves_makes_no_hash_of_a_hash(
    migrated: Make, tmp_path: Path
) -> None:
    stored = STRINGS["phpass"]
    one = migrated("2.3.19.1", "mysql", {"u0": stored}, sql_extra="default_pass_scheme = PLAIN")
    file = tmp_path / "list.csv"
    file.touch(0o600)
    file.write_text(f"u0,{stored}\n")
    told = json.loads(one.at("import", str(file), *FAST, "--apply", "--json", status=1))
    assert told["counts"] == {"broken": 1}
    assert one.lab.store.users() == {"u0": stored}


def test_a_first_line_that_is_all() -> None:
    assert list(read_csv(io.BytesIO(b"sep=;\n"))) == []


@pytest.mark.parametrize("bracket", [b"(", b"["])
def test_a_first_line_of_brackets(bracket: bytes) -> None:
    """None of them is closed, and each was looked for to the line's end: 16,000 took 15 s."""
    began = time.process_time()
    (row,) = read_csv(io.BytesIO(bracket * 100_000 + b",x\n"))
    assert row.password is not None
    assert time.process_time() - began < 5
