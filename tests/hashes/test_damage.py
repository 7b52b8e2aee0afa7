"""One kind for each broken string, and none for a sound one."""

import base64
import json
from pathlib import Path

import pytest

from mailauth.hashes import Flaw, Hash, Password, parse
from mailauth.hashes.damage import classify
from mailauth.hashes.damaged import Damage, Kind, Reader
from mailauth.hashes.mend import mend

V23, V24 = (2, 3, 19, 1), (2, 4, 1)
SECRET = Password.of("correct horse")
ARGON2 = "{ARGON2ID}$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$tCGweEmNNiMdfjqoFl9ZKRl/bO0NJTtJMmax1Il43Gc"  # noqa: E501 - a hash
BCRYPT = "{BLF-CRYPT}$2y$05$iAY4Gd8i0dThjfZnbeEjte8m4hRzcuER9LlHbazbxsRkt1HK.BarO"
SHA512_CRYPT = "{SHA512-CRYPT}$6$0AL0Nab.sqcOR39w$6BWCj9BzDnL.O0OeGudBB6aJ0lPmMTKVT5UP2lz71ERl1tuF3m3weuhv.kK0QaOkPJyr6NdaDaak0IxoCjgYM/"  # noqa: E501 - a hash
SSHA512 = "{SSHA512}V8mqNIpZKvQUNYZ63S3DGXgv8tJEFo4cNnZT0eLc1B+YCRhq8Y9Fqum2QABLNMGAUPgLjoa7ymLbqvft6pV0SowATBjI3oGm"  # noqa: E501 - a hash
SHA256 = "{SHA256}QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE="
SCRAM = "{SCRAM-SHA-256}4096,ju6+T0Rvg8gZt2iMIDmq4A==,8Zg04Ltto0cVzHHUigS+LMWozRfw7iQy77rL6SA1A6c=,DlzP2EVoXcJmTqeADO7OYCzEmuJaex7n6OLT/Iv0VHs="  # noqa: E501 - a hash
PBKDF2 = "{PBKDF2}$1$VEx4S6c4dSNqZOoS$5000$12a5202be43b4a1dfa02cc8584c7d362d58b3210"
HEAD, SALT, TAG = ARGON2.rsplit("$", 2)


def bare(stored: str) -> str:
    return stored.partition("}")[2]


def tag(size: int) -> str:
    return base64.b64encode(bytes(range(1, size + 1))).decode().rstrip("=")


def look(
    stored: str, dovecot: tuple[int, ...], default: str, password: Password | None = None
) -> Damage | None:
    parsed: Hash | Flaw = parse(stored, default_scheme=default, dovecot=dovecot)
    return classify(stored.encode(), parsed, Reader(dovecot, default), password)


MENDED = [
    (ARGON2 + " ", Kind.BLANKS),
    (ARGON2 + "\n", Kind.BLANKS),
    (ARGON2 + "\r", Kind.BLANKS),
    (ARGON2 + " " * 60, Kind.PADDED),
    (" " + ARGON2, Kind.BLANKS),
    ("\ufeff" + ARGON2, Kind.BLANKS),
    (ARGON2.replace("}", "} "), Kind.BLANKS),
    (ARGON2.replace("{", "{ "), Kind.BLANKS),
    (BCRYPT + " ", Kind.BLANKS),
    (SHA512_CRYPT + "\n", Kind.BLANKS),
    (f'"{ARGON2}"', Kind.QUOTES),
    (f"'{BCRYPT}'", Kind.QUOTES),
    (f'{ARGON2}"', Kind.QUOTES),
    (f'{{ARGON2ID}}"{bare(ARGON2)}"', Kind.QUOTES),
    ("{ARGON2ID}" + ARGON2, Kind.TWO_PREFIXES),
    ("{CRYPT}" + ARGON2, Kind.TWO_PREFIXES),
    ("{SHA512-CRYPT}{CRYPT}" + bare(SHA512_CRYPT), Kind.TWO_PREFIXES),
    (BCRYPT.replace("$", "\\$"), Kind.SHELL),
    (ARGON2.replace("$", "$$"), Kind.SHELL),
    ("{CRYPT}" + bare(ARGON2), Kind.MISLABELLED),
    ("{SHA512-CRYPT}" + bare(ARGON2), Kind.MISLABELLED),
    ("{BLF-CRYPT}" + bare(SHA512_CRYPT), Kind.MISLABELLED),
    ("{SHA512}" + bare(SHA512_CRYPT), Kind.MISLABELLED),
    ("{SHA512}" + bare(SHA256), Kind.MISLABELLED),
    ("{SHA512}" + bare(SSHA512), Kind.MISLABELLED),
    ("{SSHA512}" + bare(ARGON2), Kind.MISLABELLED),
    ("{BCRYPT}" + bare(BCRYPT), Kind.FOREIGN_NAME),
    ("{bcrypt}" + bare(BCRYPT), Kind.FOREIGN_NAME),
    ("{SHA-256}" + bare(SHA256), Kind.FOREIGN_NAME),
    ("{noop}secret", Kind.FOREIGN_NAME),
    (f"{HEAD}${SALT}${TAG}=", Kind.BASE64),
    (f"{HEAD}${SALT}==${TAG}=", Kind.BASE64),
    (ARGON2.replace("m=1024,t=2,p=1", "t=2,m=1024,p=1"), Kind.ARGON2_PARAMETERS),
    (SHA256.rstrip("="), Kind.BASE64),
    (SSHA512.replace("+", "-").replace("/", "_"), Kind.BASE64),
    (ARGON2.replace("{", "[").replace("}", "]"), Kind.BRACES),
    (ARGON2.replace("}", ""), Kind.BRACES),
    (ARGON2.replace("}", ")"), Kind.BRACES),
    (ARGON2.removeprefix("{"), Kind.BRACES),
    (SSHA512.replace("}", ""), Kind.BRACES),
    ("pbkdf2_sha256$600000$salt$" + base64.b64encode(bytes(32)).decode(), Kind.FOREIGN_FORMAT),
    ("{FOO}" + bare(ARGON2), Kind.UNKNOWN),
]  # fmt: skip

LOST = [
    *((ARGON2[:size], Kind.CUT) for size in (18, 20, 40, 50, 64, 66, 68, 70, 72, 73, 76)),
    *((BCRYPT[:size], Kind.CUT) for size in (32, 50, 60, 70)),
    (SHA512_CRYPT[:64], Kind.CUT),
    (SHA512_CRYPT[:100], Kind.CUT),
    (bare(ARGON2)[:50], Kind.CUT),
    (SSHA512[:60], Kind.CUT),
    (PBKDF2[:50], Kind.CUT),
    ("{CRYPT}" + bare(ARGON2)[:50], Kind.CUT),
    (f"{HEAD}${SALT}${TAG[:22]}", Kind.CUT),
    *((SCRAM[:size], Kind.CUT) for size in (25, 45, 60, 100, 130)),
    ("{SHA512-CRYPT}" + bare(SHA512_CRYPT).replace("$6$", "$2$"), Kind.OTHER),
    ("{BLF-CRYPT}" + bare(BCRYPT).replace("$05", "a05"), Kind.OTHER),
    (ARGON2[:50] + " ", Kind.CUT),
    ("{ARGON2ID}=19=65536,t=3,p=1+abc", Kind.SHELL),
    ("=19=65536,t=3,p=1/abc", Kind.SHELL),
    ("{BLF-CRYPT}y0.abc/def", Kind.SHELL),
    ("{SHA512-CRYPT}=5000/abc", Kind.SHELL),
    ("{SHA512-CRYPT}./abcdef", Kind.SHELL),
    (ARGON2.replace("$argon2id", "$argon2d"), Kind.ARGON2D),
    ("{ARGON2D}" + bare(ARGON2).replace("$argon2id", "$argon2d"), Kind.ARGON2D),
    (ARGON2.replace("$v=19", "$v=16"), Kind.ARGON2_VERSION),
    (ARGON2.replace("$v=19", ""), Kind.ARGON2_VERSION),
    (f"{HEAD}${SALT}${tag(12)}", Kind.ARGON2_SHORT),
    (f"{HEAD}${tag(7)}${TAG}", Kind.ARGON2_SHORT),
    (ARGON2.replace("p=1", "p=1,data=Zm9v"), Kind.ARGON2_PARAMETERS),
    (ARGON2.replace("m=1024", "m=01024"), Kind.ARGON2_PARAMETERS),
    (ARGON2.replace("t=2", "t=0"), Kind.ARGON2_PARAMETERS),
    (BCRYPT.replace("$2y$", "$2$"), Kind.BCRYPT_MINOR),
    (BCRYPT.replace("$2y$", "$2z$"), Kind.BCRYPT_MINOR),
    (BCRYPT.replace("$05$", "$03$"), Kind.BCRYPT_SALT),
    (BCRYPT.replace("$05$", "$5$0"), Kind.BCRYPT_SALT),
    ("{CRYPT}$8$saltsalt$abcdefghijklmnopqrstu", Kind.LIBC),
    ("{CRYPT}$bogus$saltsalt$abcdefghijklmnopqrstu", Kind.LIBC),
    ("secret", Kind.PLAINTEXT),
    ("correct horse", Kind.PLAINTEXT),
    ("{SHA512-CRYPT}secret!", Kind.PLAINTEXT),
    ("{ARGON2ID}", Kind.EMPTY),
    ("", Kind.EMPTY),
    ("{CRYPT}  ", Kind.EMPTY),
    ("$P$Bsv1oNXLeIkByhnTPc/jauJuzkFrby/", Kind.FOREIGN_FORMAT),
    ("{CRYPT}$apr1$49yvXSa2$/Xgo5NLeQpiK3pWnbbjvO/", Kind.FOREIGN_FORMAT),
    ("{FOO}bar", Kind.UNKNOWN),
    ("{ARGON2ID}" + "x" * 200, Kind.OTHER),
    ("{CRYPT}!" + bare(SHA512_CRYPT), Kind.LOCKED),
    ("*", Kind.LOCKED),
]  # fmt: skip


def default_of(dovecot: tuple[int, ...]) -> tuple[str, ...]:
    return ("CRYPT", "MD5") if dovecot < V24 else ("CRYPT",)


@pytest.mark.parametrize("dovecot", [V23, V24], ids=["2.3", "2.4"])
@pytest.mark.parametrize(("stored", "kind"), MENDED)
def test_what_can_be_undone_is_named_and_mended(stored: str, kind: Kind, dovecot: tuple[int, ...]) -> None:
    for default in default_of(dovecot):
        found = look(stored, dovecot, default)
        assert found, "it is not sound"
        assert (found.kind, found.mendable) == (kind, True)
        again = mend(stored, dovecot=dovecot)
        assert again
        assert look(again.stored.decode(), dovecot, default) is None


@pytest.mark.parametrize("dovecot", [V23, V24], ids=["2.3", "2.4"])
@pytest.mark.parametrize(("stored", "kind"), LOST)
def test_what_cannot_be_undone_is_named(stored: str, kind: Kind, dovecot: tuple[int, ...]) -> None:
    for default in default_of(dovecot):
        found = look(stored, dovecot, default)
        assert found, "it is not sound"
        assert (found.kind, found.mendable) == (kind, False)


def test_a_name_of_a_newer_dovecot() -> None:
    found = look(ARGON2.replace("ID}", "}"), V23, "CRYPT")
    assert found
    assert (found.kind, found.scheme, found.mendable) == (Kind.NEWER_NAME, "ARGON2ID", True)
    assert look(ARGON2.replace("ID}", "}"), V24, "CRYPT") is None


@pytest.mark.parametrize("stored", [ARGON2, BCRYPT])
def test_no_prefix(stored: str) -> None:
    found = look(bare(stored), V23, "MD5")
    assert found
    assert (found.kind, found.mendable) == (Kind.NO_PREFIX, True)
    assert f"{{{found.scheme}}}{bare(stored)}" == stored


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        row
        for row in (*MENDED, *LOST)
        if row[1] in (Kind.QUOTES, Kind.BLANKS, Kind.BRACES) and row[0][0] != "{"
    ],
)
def test_a_broken_hash_is_not_taken_for_a_password(stored: str, kind: Kind) -> None:
    """Under the default PLAIN of 2.4.0 to 2.4.2 anything is a password; what is plainly a hash is none."""
    if "SSHA" in stored:
        return
    found = look(stored, V24, "PLAIN")
    assert found
    assert found.kind is kind


@pytest.mark.parametrize(
    "stored",
    ["secret", "correct horse", "correcthorse1", "{PLAIN}$ecret", "$2 for you", '"quoted"', " blank ", "[a]b",
     "5f4dcc3b5aa765d61d8327deb882cf99", "{PLAIN}{hello}", "!secret", "pa$$word"],
)  # fmt: skip
def test_a_password_stored_as_it_is_under_plain_is_sound(stored: str) -> None:
    assert look(stored, V24, "PLAIN") is None


def test_the_password_itself_is_never_damage_under_plain() -> None:
    assert look(bare(BCRYPT), V24, "PLAIN", Password.of(bare(BCRYPT))) is None


def test_a_given_password_tells_a_plaintext() -> None:
    found = look("aaaabbbbccccddddeeee", V23, "MD5", Password.of("aaaabbbbccccddddeeee"))
    assert found
    assert found.kind is Kind.PLAINTEXT


@pytest.mark.parametrize(
    "stored", [ARGON2, BCRYPT, SHA512_CRYPT, SSHA512, SSHA512 + " ", SHA256, SCRAM, PBKDF2]
)
def test_sound_strings_have_no_damage(stored: str) -> None:
    for dovecot in (V23, V24):
        assert look(stored, dovecot, "CRYPT") is None


@pytest.mark.parametrize("stored", [ARGON2, BCRYPT, SHA512_CRYPT, PBKDF2])
def test_a_hash_that_dovecot_itself_unpacks_is_sound(stored: str) -> None:
    """With .B64 or .HEX behind the scheme's name; without, the digits are in the hash's place."""
    name, hashed = stored[1:].split("}")
    for suffix, packed in (
        ("B64", base64.b64encode(hashed.encode()).decode()),
        ("HEX", hashed.encode().hex()),
    ):
        assert look(f"{{{name}.{suffix}}}{packed}", V24, "CRYPT") is None
        assert look(f"{{{name}}}{packed}", V24, "CRYPT") is not None


def test_a_locked_account_is_no_plaintext() -> None:
    for stored in ("!", "!!", "*", "*LK*", "x", "!$6$abc"):
        found = look(stored, V23, "CRYPT")
        assert found
        assert found.kind is not Kind.PLAINTEXT


def test_every_measured_string_has_a_kind_or_is_sound() -> None:
    """No string that Dovecot was measured to reject goes without a kind."""
    for case in json.loads((Path(__file__).parent / "vectors/edge_cases.json").read_text())["cases"]:
        stored = case.get("stored") or ""
        for dovecot in (V23, V24):
            parsed = parse(stored, default_scheme="CRYPT", dovecot=dovecot)
            found = classify(stored.encode(errors="surrogateescape"), parsed, Reader(dovecot))
            assert (found is not None) or isinstance(parsed, Hash)
