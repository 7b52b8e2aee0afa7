"""No rule of a migration takes away a login, and none guesses what a string is."""

import base64
import hashlib
import uuid
from dataclasses import replace
from itertools import product

import pytest

from mailauth.hashes import Password, Verdict, generate, verify
from mailauth.hashes.damaged import Reader
from mailauth.hashes.digests import md4
from mailauth.hashes.making import Order, make
from mailauth.migrate.decide import Action, Decision, Rule, Wishes, decide
from mailauth.migrate.default_scheme import depends
from mailauth.migrate.goal import Goal
from mailauth.migrate.move import carried
from tests.migrate.cisco import pix

SECRET = "Correct1horsE"  # 13 characters of crypt(3)'s alphabet
RAW = SECRET.encode()
DEFAULTS = ("PLAIN", "CRYPT", "MD5", "SHA512-CRYPT", "BLF-CRYPT", "SSHA512", "PLAIN-MD5")
GOAL = Goal("SSHA512", ())
RULES = tuple(Rule(action) for action in Action)
ALL = (*RULES[1:2], *RULES)


def made(scheme: str, **options: int | str) -> str:
    return generate(scheme, Password(RAW), user="u", **options)


def bare(stored: str) -> str:
    return stored.partition("}")[2]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def hashed(name: str, data: bytes = RAW) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


TAKEN = [
    made("ARGON2ID", memory=1024, time=1),
    made("BLF-CRYPT", cost=4),
    made("SHA512-CRYPT", rounds=1000),
    made("SHA256-CRYPT", rounds=1000),
    made("MD5-CRYPT"),
    made("DES-CRYPT"),
    made("CRYPT", kind="$y$", rounds=1),
    made("PBKDF2", rounds=100),
    made("SCRAM-SHA-256", rounds=4096),
    made("SSHA512"),
    made("SSHA"),
    made("SMD5"),
    made("SHA512"),
    made("SHA256.HEX"),
    made("SHA1"),
    made("PLAIN-MD5"),
    made("LDAP-MD5"),
    made("CRAM-MD5"),
    made("PLAIN-TRUNC"),
    made("PLAIN.B64"),
    "{CLEARTEXT}" + SECRET,
]
SALT = b"ab"
OTHERS = [
    "3|" + bare(made("ARGON2ID", memory=1024, time=1)),
    "1|" + bare(made("BLF-CRYPT", cost=4)),
    "pbkdf2_sha256$5000$saltsalt$" + b64(hashlib.pbkdf2_hmac("sha256", RAW, b"saltsalt", 5000)),
    "pbkdf2:sha256:5000$saltsalt$" + hashlib.pbkdf2_hmac("sha256", RAW, b"saltsalt", 5000).hex(),
    "$P$BzcZRWTyILUTvwOlTVgIOiIZb1UkKu.",
    "$H$9PE8jEklgZhgLmZl5.HYJAzfGCQtzi1",
    "$S$DewXkrZpS0HdGMDDbf6VN7ZYHtIIdvnCy5dnlVLrCKPLU1MhZvgl",
    "$wp" + bare(made("BLF-CRYPT", cost=4)).replace("$2y$", "$2y$"),
    "*" + hashed("sha1", hashed("sha1")).hex().upper(),
    "6bb4837eb74329105ee4568dda7dc67ed2ca2ad9",
    "5d2e19393cc5ef67",
    hashed("md5").hex(),
    hashed("md5").hex().upper(),
    md4(SECRET.encode("utf-16-le")).hex(),
    hashed("sha1").hex(),
    hashed("sha256").hex(),
    hashed("sha512").hex(),
    hashed("sha224").hex(),
    hashed("sha384").hex(),
    hashed("sha512").hex()[:106],
    b64(hashed("md5")),
    b64(hashed("sha1")),
    b64(hashed("sha256")),
    b64(hashed("sha512")),
    b64(hashed("sha1", RAW + b"saltsalt") + b"saltsalt"),
    hashed("md5", RAW + SALT).hex() + ":" + SALT.decode(),
    hashed("md5", SALT + RAW).hex() + ":" + SALT.decode(),
    "a1b2c3" + hashed("sha256", b"a1b2c3" + RAW).hex(),
    "sha1$abc$" + hashed("sha1", b"abc" + RAW).hex(),
    bare(made("CRAM-MD5")),
    "{PLAIN}" + bare(made("MD5-CRYPT")),
    "{PLAIN}" + hashed("md5").hex(),
    "{SSHA384}" + b64(hashed("sha384") + b"salt"),
    "$apr1$69Michhv$kz0xtzggToUR2bA8A.n4Z.",
    "$bcrypt-sha256$v=2,t=2b,r=12$tcGbVQ.8djHCQZX65abcde$0123456789012345678901234567890",
    "scrypt:1024:8:1$8ThTOR8GjUDm1PZJ$"
    + hashlib.scrypt(RAW, salt=b"8ThTOR8GjUDm1PZJ", n=1024, r=8, p=1).hex(),
    bare(made("SHA512-CRYPT", rounds=1000)) + "\r",
    bare(made("SHA512-CRYPT", rounds=1000))[:60],
    bare(made("BLF-CRYPT", cost=4))[:-1],
    '"' + made("SSHA512") + '"',
    "$$6$$rounds=1000$$abc$$" + "x" * 40,
    "=19=65536,t=3,p=1/abc",
]
AT_RANDOM = [  # in 64 characters, as a password of a generator is
    pix(RAW),
    pix(RAW + b"user"),
    b64(hashed("sha224")[:24]),
    *(
        base64.urlsafe_b64encode(hashed(name)[:size]).decode().rstrip("=")
        for name, size in (("md5", 16), ("sha1", 20), ("sha256", 16), ("sha512", 24), ("sha224", 28))
    ),
    "kz0xtzggToUR2bA8A.n4Z.",
]
PLACED = [  # beside what else, and how it is written, is each program's own choice
    ":pbkdf2:sha512:30000:64:BwgJCgsMDQ4PEBESExQVFg==:" + b64(hashed("sha512")),
    "(GDv3yZ1kL0nU7bqvXTRd)",
    "(355E98E7C7B59BD810ED845AD0FD2FC4)",
    "qiyh4XPJGsOZ2MEAyLkfWqeQ",
    "qi8H8R7OM4xMUNMPuRAZxlY.",
    "ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)",
    "vault:v1:" + b64(hashed("sha384")),
    "$ANSIBLE_VAULT;1.1;AES256",
    "$AES-128-CBC$" + b64(hashed("md5")) + "$" + b64(hashed("md5")),
    "10000." + b64(hashed("md5")) + "." + b64(hashed("sha256")),
    b64(hashed("md5")) + "," + b64(hashed("sha256")),
    "1~" + b64(hashed("sha1")),
    "ab12-" + hashed("md5").hex(),
    hashed("md5").hex() + ".ab12",
    "ab12 " + hashed("sha1").hex(),
    "ab12/" + hashed("sha1").hex(),
    hashed("sha1").hex() + "@salt",
    "<" + b64(hashed("sha1")) + ">",
    "D3S:6a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "0x0200" + "1A2B3C4D" + hashed("sha512").hex().upper(),
    "$8$dsYGNam3K1SIJO$7nv/35M/qr6t.dVc7UY9zrJDWRVqncHub1PE9UlMQFs",
    "{SASL}u@EXAMPLE.ORG",
    hashed("sha256", b"abc" + RAW).hex() + ":abcdefghijklmnop:1",
    hashed("md5").hex(":"),
    hashed("md5").hex(" "),
    hashed("md5").hex("-", 2).upper(),
    str(uuid.UUID(hashed("md5").hex())),
    "8461372950183746",
    "OBF:1vny1zlo1x8e1vnw1vn61x8g1zlu1vn4",
    "otp-md5 99 ab1234 d2a2c3d4",
    b64(b"geheim99"),
    bare(made("SHA512-CRYPT", rounds=1000)).replace("=", "=3D").replace("$", "=24"),
]
TWICE = ["{PLAIN}{PLAIN}x", "{CLEARTEXT}{PLAIN}x", "{PLAIN}{SSHA}x", "{PLAIN}{plain}" + SECRET]
RAW_BYTES = [  # as a BINARY column has them; the last are all signs of Latin-1
    hashed("md5"),
    hashed("sha1"),
    bytes(range(160, 176)),
    b"abcdefgh\xe4\xf6\xfcABCDE",
    bytes(range(190, 240)),
    b"Geheim-000-wort\r",  # of a list with Windows's line ends: not what is typed
    b"geheim\n",
    b"ge\theim",
]
BARE = [bare(one) for one in TAKEN]
LOCKS = [
    "!",
    "*",
    "!!",
    "*LK*",
    "x",
    "NP",
    "!" + bare(made("SHA512-CRYPT", rounds=1000)),
    "NULL",
    "",
    "0",
    "1",
]


def readers() -> list[Reader]:
    return [
        Reader(version, default, allow_weak, prefixing=prefixing)
        for version, allow_weak in (((2, 3, 19, 1), True), ((2, 4, 1), False), ((2, 4, 5), True))
        for default in DEFAULTS
        for prefixing in (False, True)
    ]


def logs_in(stored: bytes, reader: Reader) -> bool:
    judged = verify(
        reader.taken(stored),
        Password(RAW),
        user="u",
        default_scheme=reader.default_scheme,
        dovecot=reader.dovecot,
        allow_weak=reader.allow_weak,
    )
    return judged.verdict is Verdict.MATCH


def becomes(decision: Decision, reader: Reader) -> bytes:
    if decision.password is None:
        assert decision.new
        return decision.new
    new = make(Order(GOAL.scheme, (), reader.dovecot, reader.allow_weak), decision.password, "u")
    assert isinstance(new, str)
    return new.encode()


@pytest.mark.parametrize(
    "rules", [(rule,) for rule in RULES] + [RULES], ids=[*(a.value for a in Action), "all"]
)
def test_no_rule_takes_a_login_away_and_none_makes_another(rules: tuple[Rule, ...]) -> None:
    """Who logs in with the string still does, and what is written lets in with the password."""
    for stored, reader in product([*TAKEN, *OTHERS, *BARE, *LOCKS, SECRET], readers()):
        text = stored.encode()
        decision = decide(text, Wishes(rules, GOAL, reader))
        if not decision.acts:
            continue
        after = becomes(decision, reader)
        as_it_was = Action.PREFIX_DEFAULT in (decision.action, *decision.then) or stored == SECRET
        assert logs_in(after, reader) or (as_it_was and not logs_in(text, reader)), (stored, reader)
        assert stored != SECRET or not after.startswith(b"{DES") or reader.default_scheme != "PLAIN"


def test_a_string_that_may_be_a_hash_is_never_taken_for_a_plaintext() -> None:
    """Rehash acts on nothing but passwords, whatever the default scheme; and says what the rest may be."""
    strings = [one.encode() for one in [*OTHERS, *PLACED, *AT_RANDOM, *TWICE, *LOCKS, *BARE[:-1], SECRET]]
    for stored, reader in product([*strings, *RAW_BYTES], readers()):
        decision = decide(stored, Wishes((Rule(Action.REHASH),), GOAL, reader))
        assert decision.password is None, (stored, reader)


@pytest.mark.parametrize("label", ["", "{PLAIN}", "{CLEARTEXT}", "{plain}"])
def test_a_password_stored_as_it_is_is_never_another_one(label: str) -> None:
    """Blanks, quotes, dollars, what locks elsewhere: it is what is typed, and no rule puts it right."""
    reader = Reader((2, 4, 1), "PLAIN", prefixing=True)
    words = ["!!", "!!!", "*0", "*LK*", "*LK*secret-1", "!!Geheim-2024-Geheim", "!!Geheim2024Geheim'"]
    words += [
        '"quoted"',
        " padded ",
        "'a'",
        "abc$",
        "\\$6\\$a",
        "%24a",
        "&#36;a",
        "a-b_c",
        "abc=",
        "\ufeffabc",
        "b'x'",
    ]
    for word, rules in product([one.encode() for one in words], [*((rule,) for rule in RULES), RULES]):
        stored = label.encode() + word
        decision = decide(stored, Wishes(rules, GOAL, reader))
        after = becomes(decision, reader) if decision.acts else stored
        assert lets_in(after, reader, (word,)) == (True,), (stored, after)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "hunter2",
        "Tr0ub4dor&3",
        "geheim!",
        "a:b",
        "!secret",
        "p\u00e4ss",
        "MyVeryLongPassword2024Forever",
        "Summer2024Garden",  # 16 characters, as Cisco's hashes have
        "JohnSmith1975abc",
        "correcthorsebatt",
        "CORRECT-HORSE-42",
        "Garden-Of-Eden-1990-ab",  # 22, as 16 bytes have in base64
        "12345678",
        "deadbeef",
        "1984abc",
    ],
)
def test_a_plaintext_is_rehashed_where_plaintexts_are(password: str) -> None:
    reader = Reader((2, 4, 1), "PLAIN", prefixing=True)
    for stored in (password, "{PLAIN}" + password, "{PLAIN}{hello}"):
        decision = decide(stored.encode(), Wishes((Rule(Action.REHASH),), GOAL, reader))
        assert decision.password
        assert decision.password.raw == stored.removeprefix("{PLAIN}").encode()


@pytest.mark.parametrize(
    ("stored", "origin", "new"),
    [
        (hashed("md5").hex(), "md5", "{PLAIN-MD5}"),
        (md4(SECRET.encode("utf-16-le")).hex(), "samba", "{CRYPT}$3$$"),
        (hashed("sha512").hex(), "mysql", "{SHA512.HEX}"),
        (bare(made("CRAM-MD5")), "courier", "{CRAM-MD5}"),
        (hashed("md5", RAW + SALT).hex() + ":ab", "joomla", "{SMD5}"),
        (bare(made("DES-CRYPT")), "vpopmail", "{DES-CRYPT}"),
        (hashed("md5", SALT + RAW).hex() + ":ab", "osCommerce", ""),
        ("a1b2c3" + hashed("sha256", b"a1b2c3" + RAW).hex(), "hmailserver", ""),
    ],
    ids=["md5", "nt", "mysql", "courier", "joomla", "vpopmail", "oscommerce", "hmailserver"],
)
def test_an_origin_decides_and_only_then_something_is_written(stored: str, origin: str, new: str) -> None:
    for default in ("PLAIN", "BLF-CRYPT"):
        reader = Reader((2, 3, 19, 1), default, prefixing=True)
        rules = (Rule(Action.PREFIX), Rule(Action.CONVERT), Rule(Action.MEND), Rule(Action.REHASH))
        left = decide(stored.encode(), Wishes(rules, GOAL, reader))
        assert (left.acts, bool(left.unsure or left.broken)) == (False, True)
        decided = decide(stored.encode(), Wishes(rules, GOAL, reader, origin.lower()))
        assert decided.acts == bool(new)
        if new:
            assert decided.new
            assert decided.new.startswith(new.encode())
            assert logs_in(decided.new, reader)


def test_thirteen_characters_are_no_des_by_their_number() -> None:
    """Where the last one says that they are none, too."""
    for stored, default, action in product(
        ("Correct1horsE", "Correct1horse"),
        ("PLAIN", "MD5", "BLF-CRYPT"),
        (Action.CONVERT, Action.MEND, Action.PREFIX),
    ):
        reader = Reader((2, 3, 19, 1), default, prefixing=True)
        assert not decide(stored.encode(), Wishes((Rule(action),), GOAL, reader)).acts


def test_a_plaintext_under_a_hash_scheme_is_hashed_when_somebody_says_so() -> None:
    reader = Reader((2, 4, 1), "SHA512-CRYPT", prefixing=True)
    rules = (Rule(Action.REHASH),)
    for stored in ("correct horse", SECRET):
        assert not decide(stored.encode(), Wishes(rules, GOAL, reader)).acts
        said = decide(stored.encode(), Wishes(rules, GOAL, reader, "plain"))
        assert said.password
        assert said.password.raw == stored.encode()
    for stored in (TAKEN[0], bare(TAKEN[2]), "$P$BzcZRWTyILUTvwOlTVgIOiIZb1UkKu.", "!"):
        assert not decide(stored.encode(), Wishes(rules, GOAL, reader, "plain")).acts


@pytest.mark.parametrize("label", ["", "{PLAIN}", "{CLEARTEXT}"])
def test_a_password_made_at_random_is_hashed_when_somebody_says_so(label: str) -> None:
    reader = Reader((2, 4, 1), "PLAIN", prefixing=True)
    for word in [*AT_RANDOM, hashed("md5").hex()]:
        stored = (label + word).encode()
        left = decide(stored, Wishes((Rule(Action.REHASH),), GOAL, reader))
        assert not left.acts
        assert left.unsure or left.broken
        said = decide(stored, Wishes((Rule(Action.REHASH),), GOAL, reader, "plain"))
        assert said.password
        assert said.password.raw == word.encode()
    for text in [*TWICE, "{PLAIN}", "{PLAIN}" + bare(made("MD5-CRYPT"))]:
        assert not decide(text.encode(), Wishes((Rule(Action.REHASH),), GOAL, reader, "plain")).acts


def lets_in(stored: bytes, reader: Reader, words: tuple[bytes, ...]) -> tuple[bool, ...]:
    """Which of these passwords do."""
    return tuple(
        verify(
            reader.taken(stored),
            Password(word),
            user="u",
            default_scheme=reader.default_scheme,
            dovecot=reader.dovecot,
            allow_weak=reader.allow_weak,
        ).verdict
        is Verdict.MATCH
        for word in words
    )


def test_a_new_default_scheme_changes_nothing_for_what_was_prefixed_moved_or_does_not_depend() -> None:
    """What is prefixed before a default is changed, what is moved, and what is said not to depend on it."""
    rules = (Rule(Action.PREFIX_DEFAULT, every=True),)
    for stored, reader in product([*TAKEN, *OTHERS, *BARE, *LOCKS, *ODD, SECRET], readers()):
        text = stored.encode()
        words = (RAW, text) if text else (RAW,)  # the password, and the string itself
        now = lets_in(text, reader, words)
        moved = carried(text, reader)
        prefixed = decide(text, Wishes(rules, GOAL, reader)).new
        for default in ("PLAIN", "CRYPT", "BLF-CRYPT", "PLAIN-MD5"):
            then = replace(reader, default_scheme=default)
            for new in filter(None, (moved, prefixed)):
                assert lets_in(new, then, words) == now, (stored, new, reader, default)
                assert not depends(new, reader, default)
            if not depends(text, reader, default):
                assert lets_in(text, then, words) == now, (stored, reader, default)
        assert moved is not None or not text or stored[:1] == "{"


ODD = ["{", "{x", "{SSHA", "}", "{}x", "a:b", " padded ", "{PLAIN}", "{SHA512-CRYPT}" + SECRET, "!{SSHA}x"]
