"""The reason for each measured string that a Dovecot rejects: one row a case.

``hash show`` must name it. A row is the case's name and words that its reason holds. Where the string
is sound and only the password is another, the words stand in the notes, or the row says SOUND.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mailauth.hashes import Password, Verdict, verify
from mailauth.hashes.explain import explain

CASES = Path(__file__).parent / "vectors/edge_cases.json"
SOUND = "(sound)"

REASONS: tuple[tuple[str, str], ...] = (
    ("Django argon2$argon2id$ under {ARGON2ID}", "6 characters before $argon2"),
    ("Django bcrypt$$2b$", "Password is not blowfish password: Django's name is before $2"),
    ("Django bcrypt_sha256 as is", "Password is not blowfish password: bcrypt of a hash of the password"),
    (
        "Django bcrypt_sha256 stripped, raw pw",
        "72 bytes of a password count; a program that hashes the password first",
    ),
    ("Django, no prefix", "no {SCHEME} before it, so the passdb's default scheme decides"),
    ("LDAP-MD5 b64 stripped pad", "Input isn't valid base64 encoded data: the padding (=) is missing:"),
    ("LDAP-MD5 hex trailing nl", "Input length isn't valid (24 instead of 16): hex that ends in a"),
    ("LDAP-MD5.b64 hex data", "Input length isn't valid (24 instead of 16): hex, where .b64 says base64"),
    (
        "LDAP/Spring {argon2}$argon2id$",
        "Unknown scheme ARGON2: Dovecot has it since 2.4; ARGON2ID is the same",
    ),
    ("OTP nl", "ends in a newline"),
    ("OTP sha256", "OTP knows md4, md5 and sha1, in small letters"),
    ("PBKDF2 32-byte key", "PBKDF2 hash not 160bit hex-encoded: 64 characters, not 40 (another"),
    ("PBKDF2 nl", "PBKDF2 hash not 160bit hex-encoded: ends in a newline"),
    ("PBKDF2 no prefix", "a PBKDF2 hash without {PBKDF2}: a bare $1$ is taken for MD5-CRYPT"),
    ("PLAIN-MD5 b64 stripped pad", "Input isn't valid base64 encoded data: the padding (=) is missing:"),
    ("PLAIN-MD5 hex trailing nl", "Input length isn't valid (24 instead of 16): hex that ends in a"),
    ("PLAIN-MD5 trunc", "Input length isn't valid (15 instead of 16): cut off, or another"),
    ("PLAIN-MD5.b64 hex data", "Input length isn't valid (24 instead of 16): hex, where .b64 says base64"),
    ("PLAIN-TRUNC 6-secret", "any password that begins with these 6 characters matches, a shorter one"),
    ("SCRAM-SHA-1 4095", "Invalid SCRAM-SHA-1 iteration count: Dovecot takes 4096 to 2147483647"),
    ("SCRAM-SHA-1 keys unpadded", "Invalid SCRAM-SHA-1 StoredKey: no padded base64"),
    ("SCRAM-SHA-1 short serverkey", "Invalid SCRAM-SHA-1 ServerKey: 1 bytes, not 20"),
    ("SCRAM-SHA-256 4095", "Invalid SCRAM-SHA-256 iteration count: Dovecot takes 4096 to 2147483647"),
    ("SCRAM-SHA-256 short serverkey", "Invalid SCRAM-SHA-256 ServerKey: 1 bytes, not 32"),
    ("SHA trunc", "Input length isn't valid (19 instead of 20): cut off, or another"),
    ("SHA.b64 hex data", "Input length isn't valid (30 instead of 20): hex, where .b64 says base64"),
    ("SHA1 hex trailing nl", "Input length isn't valid (30 instead of 20): hex that ends in a"),
    ("SHA1 trunc", "Input length isn't valid (19 instead of 20): cut off, or another"),
    ("SHA1.hex b64 data", "Input isn't valid HEX encoded data: a character that is no hex digit"),
    ("SHA256 b64 stripped pad", "Input isn't valid base64 encoded data: the padding (=) is missing:"),
    ("SHA256 hex trailing nl", "Input length isn't valid (48 instead of 32): hex that ends in a"),
    ("SHA256 trunc", "Input length isn't valid (31 instead of 32): cut off, or another"),
    ("SHA256.b64 hex data", "Input length isn't valid (48 instead of 32): hex, where .b64 says base64"),
    ("SHA256.hex b64 data", "Input isn't valid HEX encoded data: a character that is no hex digit"),
    ("SHA512 trunc", "Input length isn't valid (63 instead of 64): cut off, or another"),
    ("SSHA salt 0", "SSHA password is too short: no salt after the digest"),
    ("SSHA512 salt 0", "SSHA512 password is too short: no salt after the digest"),
    ("Spring {bcrypt}$2a$ as is", "Unknown scheme BCRYPT: Dovecot's name for it is BLF-CRYPT"),
    ("argon2d under {ARGON2}", "argon2d: libsodium has only argon2i and argon2id"),
    ("argon2i under {ARGON2}", "Unknown scheme ARGON2: Dovecot has it since 2.4; ARGON2ID is the same"),
    ("argon2i under {CRYPT}", "Argon2: crypt(3) has none, it wants {ARGON2ID} before it"),
    ("argon2id under {ARGON2D}", "Unknown scheme ARGON2D: Dovecot has nothing like it"),
    ("argon2id under {ARGON2}", "Unknown scheme ARGON2: Dovecot has it since 2.4; ARGON2ID is the same"),
    ("argon2id under {CRYPT}", "Argon2: crypt(3) has none, it wants {ARGON2ID} before it"),
    ("argon2id under {argon2}", "Unknown scheme ARGON2: Dovecot has it since 2.4; ARGON2ID is the same"),
    ("b64 padding stripped", "Input isn't valid base64 encoded data: the padding (=) is missing:"),
    ("b64 url-safe", "Input isn't valid base64 encoded data: url-safe base64 (- and _),"),
    ("bare $1$ trailing nl", "ends in a newline"),
    ("both padded", "base64 padding (=): libsodium wants none"),
    (
        "checksum last char low bits set",
        "the last character of the digest is not canonical: bcrypt never writes",
    ),
    ("cost 00", "the cost must be two digits from 04 to 31, and a $"),
    ("cost 32", "the cost must be two digits from 04 to 31, and a $"),
    ("cost 4 (one digit)", "the cost must be two digits from 04 to 31, and a $"),
    ("data", "more parameters after p= (keyid= or data=): libsodium takes none"),
    ("double prefix {CRYPT}{BLF-CRYPT}", "a second {SCHEME} after the first"),
    ("empty scheme", "Unknown scheme: there is nothing between { and }"),
    ("hash empty", "a tag of 0 bytes (libsodium wants 16 or more)"),
    ("hash truncated 1 char", "the last character of the tag has bits set that do not count: cut off,"),
    (
        "hash truncated to 42 bytes-ish",
        "the last character of the tag has bits set that do not count: cut off,",
    ),
    ("hashlen 15", "a tag of 15 bytes (cut off? libsodium wants 16 or more)"),
    ("keyid", "more parameters after p= (keyid= or data=): libsodium takes none"),
    ("leading newline", "Password is not blowfish password: there are blanks or line ends before $2"),
    ("leading space", "blanks or line ends before $argon2"),
    (
        "leading space {BLF-CRYPT}",
        "Password is not blowfish password: there are blanks or line ends before $2",
    ),
    ("m=+1024", "m= has no number"),
    ("m=4294967296", "m= is no 32-bit number"),
    ("m=7", "m=7 is less than 8 KiB a lane (p=1 wants m=8 or more)"),
    ("missing t", "t= (time) must be here: libsodium wants the order m, t, p"),
    ("no prefix $2y$", "no {SCHEME} before it, so the passdb's default scheme decides"),
    (
        "node argon2 0.45.1 default (m,p,t order)",
        "t= (time) must be here: libsodium wants the order m, t, p",
    ),
    ("node argon2 data=", "t= (time) must be here: libsodium wants the order m, t, p"),
    ("node argon2 data= stripped", "whether associated data (data=) or a secret went into it cannot be"),
    (
        "nonzero trailing bits in salt",
        "the last character of the salt has bits set that do not count: cut off,",
    ),
    ("p=0", "p=0: libsodium takes 1 to 16777215"),
    ("p=4 m=31", "m=31 is less than 8 KiB a lane (p=4 wants m=32 or more)"),
    ("param order p,m,t", "m= (memory) must be here: libsodium wants the order m, t, p"),
    (
        "passlib bcrypt-sha256 rebuilt as $2b$, raw pw",
        "72 bytes of a password count; a program that hashes the password first",
    ),
    ("passlib/Mailu $bcrypt-sha256$", "Password is not blowfish password: bcrypt of a hash of the password"),
    ("prefix {bcrypt} on $2y$", "Unknown scheme BCRYPT: Dovecot's name for it is BLF-CRYPT"),
    (
        "python-bcrypt body relabelled $2a$ pw=\\xff\\xff\\xa3",
        "$2a$ with a byte 0xff in the password: crypt_blowfish's safety measure",
    ),
    (
        "python-bcrypt body relabelled $2a$ pw=safety pw",
        "$2a$ with a byte 0xff in the password: crypt_blowfish's safety measure",
    ),
    (
        "python-bcrypt body relabelled $2x$ pw=UTF-8 pässwörd",
        "$2x$ repeats a bug of 2011: only hashes made with that bug match, of",
    ),
    (
        "python-bcrypt body relabelled $2x$ pw=\\xd1\\x91",
        "$2x$ repeats a bug of 2011: only hashes made with that bug match, of",
    ),
    (
        "python-bcrypt body relabelled $2x$ pw=latin1 \\xa3",
        "$2x$ repeats a bug of 2011: only hashes made with that bug match, of",
    ),
    ("salt empty", "a salt of 0 bytes (libsodium wants 8 or more)"),
    (
        "salt last char '/' kept in string (libxcrypt->., py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'A' kept in string (libxcrypt->., py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'B' kept in string (libxcrypt->., py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'P' kept in string (libxcrypt->O, py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'Q' kept in string (libxcrypt->O, py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'f' kept in string (libxcrypt->e, py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    (
        "salt last char 'z' kept in string (libxcrypt->u, py->ValueError: Invalid salt)",
        "the last character of the salt is not canonical: bcrypt writes only . O",
    ),
    ("salt padded ==", "base64 padding (=): libsodium wants none"),
    ("saltlen 4 (libargon2 min 8)", "a salt of 4 bytes (libsodium wants 8 or more)"),
    ("slappasswd {ARGON2}", "Unknown scheme ARGON2: Dovecot has it since 2.4; ARGON2ID is the same"),
    ("t=0", "t=0: at least one pass is wanted"),
    ("trailing $", "ends in a $ too many"),
    ("trailing $ {BLF-CRYPT}", "after 60 characters it ends in a $ too many"),
    ("trailing NUL-less junk", "a tag of 33 bytes where nearly everyone makes 32: something added, or"),
    ("trailing newline", "after 60 characters it ends in a newline"),
    ("trailing tab", "ends in a blank or tab"),
    ("truncated to 30", "cut off: 30 of 60 characters"),
    ("v=16 explicit", "v=16: libsodium takes only v=19 (Argon2 1.3)"),
    ("v=16 hash without v", "no v=: that means v=16, and libsodium takes only v=19"),
    ("v=18", "v=18: libsodium takes only v=19 (Argon2 1.3)"),
    ("v=19 hash without v", "no v=: that means v=16, and libsodium takes only v=19"),
    ("{ PLAIN }", "Unknown scheme: there are blanks between { and }"),
    ("{BLF-CRYPT} on $5$", "Password is not blowfish password: another algorithm's hash: it does"),
    ("{BLF-CRYPT} on $6$", "Password is not blowfish password: another algorithm's hash: it does"),
    ("{BLF-CRYPT}$2$ (ascii pw)", "Password is not blowfish password: $2$ is the first bcrypt, of 1997,"),
    ("{BLF-CRYPT}$2A$ (ascii pw)", "$2 must be followed by a small letter, then"),
    ("{BLF-CRYPT}$2z$ (ascii pw)", "$2z$ is no bcrypt that Dovecot knows ($2a$, $2b$, $2x$, $2y$)"),
    ("{CRYPT} DES bad salt ':'", "what crypt(3) gives when it fails: the hashing went wrong, and this was"),
    ("{CRYPT} DES trailing nl", "ends in a newline"),
    ("{CRYPT} empty vs empty", "nothing follows the scheme: no password matches, not even the empty one"),
    ("{CRYPT} empty vs pw", "nothing follows the scheme: no password matches, not even the empty one"),
    ("{CRYPT} trailing $", "after 60 characters it ends in a $ too many"),
    ("{CRYPT} trailing CRLF", "after 60 characters it ends in a newline"),
    ("{CRYPT} trailing space", "after 60 characters it ends in a blank or tab"),
    ("{CRYPT}! locked", "a locked account: no password matches"),
    ("{CRYPT}!$6$ locked", "a locked account: no password matches"),
    ("{CRYPT}$2$ (ascii pw)", "$2$ is the first bcrypt, of 1997, which libxcrypt does not have"),
    ("{CRYPT}$2A$ (ascii pw)", "$2 must be followed by a small letter, then"),
    ("{CRYPT}$2B$ (ascii pw)", "$2 must be followed by a small letter, then"),
    ("{CRYPT}$2c$ (ascii pw)", "$2c$ is no bcrypt that Dovecot knows ($2a$, $2b$, $2x$, $2y$)"),
    ("{CRYPT}$5$ rounds=1 (libxcrypt gives *0)", "rounds= takes 1000 to 999999999, without leading zeros"),
    ("{CRYPT}$5$ trailing nl", "ends in a newline"),
    ("{CRYPT}$6$ rounds=0001000", "rounds= takes 1000 to 999999999, without leading zeros"),
    ("{CRYPT}$6$ rounds=1 (libxcrypt gives *0)", "rounds= takes 1000 to 999999999, without leading zeros"),
    ("{CRYPT}$6$ rounds=1000000000", "rounds= takes 1000 to 999999999, without leading zeros"),
    ("{CRYPT}$6$ rounds=999 (libxcrypt gives *0)", "rounds= takes 1000 to 999999999, without leading zeros"),
    ("{CRYPT}$6$ salt with ':'", "what crypt(3) gives when it fails: the hashing went wrong, and this was"),
    ("{CRYPT}$6$ salt with space", "what crypt(3) gives when it fails: the hashing went wrong, and this was"),
    ("{CRYPT}* locked", "a locked account: no password matches"),
    ("{CRYPT}*1", "what crypt(3) gives when it fails: the hashing went wrong, and this was"),
    ("{MD5-CRYPT} on $6$", "does not begin with $1$, and MD5-CRYPT makes nothing else"),
    ("{MD5-CRYPT} on des", "does not begin with $1$, and MD5-CRYPT makes nothing else"),
    ("{MD5-CRYPT} trailing $", "ends in a $ too many"),
    ("{MD5} on $5$", "Not a valid MD5-CRYPT or PLAIN-MD5 password: neither $1$... nor 16"),
    ("{MD5} on $6$", "Not a valid MD5-CRYPT or PLAIN-MD5 password: neither $1$... nor 16"),
    ("{MD5} on des", "Not a valid MD5-CRYPT or PLAIN-MD5 password: neither $1$... nor 16"),
    ("{PLAIN} trailing nl", "the stored password begins or ends in a newline, which counts"),
    ("{SMD5}$1$", "Input isn't valid base64 encoded data: a $ is no base64: another"),
)


def rejected() -> dict[str, dict[str, Any]]:
    """By name and, where a name comes twice, the string's scheme."""
    found: dict[str, dict[str, Any]] = {}
    for row in json.loads(CASES.read_text())["cases"]:
        if row["group"] == "argon2_cross" or "n/a" in (row["dovecot_2.3"], row["dovecot_2.4"]):
            continue
        if (row["dovecot_2.3"], row["dovecot_2.4"]) != ("match", "match"):
            name = row["case"]
            if name in found:
                name = f"{name} {row['stored'].partition('}')[0]}}}"
            found[name] = row
    return found


def test_every_rejected_case_has_its_row() -> None:
    assert sorted(rejected()) == sorted(name for name, _ in REASONS)


@pytest.mark.parametrize(("name", "words"), REASONS, ids=[name for name, _ in REASONS])
def test_show_names_the_reason(name: str, words: str) -> None:
    row = rejected()[name]
    it = explain(row["stored"])
    if it.flaw is None:
        assert words == SOUND or any(words in note for note in it.notes), it.notes
    else:
        assert words in it.flaw.reason


def test_a_short_tag_or_argon2d_is_the_reason_of_every_rejected_cross_case() -> None:
    for row in json.loads(CASES.read_text())["cases"]:
        if row["group"] == "argon2_cross" and row["dovecot_2.4"] != "match":
            flaw = explain(row["stored"]).flaw
            assert flaw is not None
            assert "a tag of 4 bytes" in flaw.reason or "argon2d" in flaw.reason


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("trailing newline", "line ends at the edges"),
        ("node argon2 0.45.1 default (m,p,t order)", "libsodium's order m, t, p"),
        ("salt last char 'f' kept in string (libxcrypt->e, py->ValueError: Invalid salt)", "unused bits"),
        ("b64 padding stripped", "padding (=) of base64 put back"),
        ("PBKDF2 no prefix", "named for what it is: {PBKDF2}"),
        ("double prefix {CRYPT}{BLF-CRYPT}", "the first of two {SCHEME}"),
        ("slappasswd {ARGON2}", "named for what it is: {ARGON2I}"),
        ("Django bcrypt$$2b$", "Django bcrypt's form"),
    ],
)
def test_what_can_be_mended_is_and_then_matches(name: str, steps: str) -> None:
    row = rejected()[name]
    mended = explain(row["stored"], dovecot=(2, 3, 19, 1)).mended
    assert mended is not None
    assert any(steps in step for step in mended.steps), mended.steps
    assert verify(mended.stored, Password.of(row["password"]), dovecot=(2, 3, 19, 1)).verdict is Verdict.MATCH


def test_a_truncated_tag_is_not_mended() -> None:
    row = rejected()["hash truncated 1 char"]
    assert explain(row["stored"]).mended is None
