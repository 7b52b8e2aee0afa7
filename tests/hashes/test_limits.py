"""A stored string is input: what it asks for is bounded, and nothing makes us crash or hang."""

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailauth.hashes import (
    SCHEMES,
    Flaw,
    Hash,
    Limits,
    Password,
    Verdict,
    generate,
    hash_memory,
    identify,
    libcrypt,
    libsodium,
    parse,
    shown,
    verify,
)
from mailauth.hashes.explain import explain
from mailauth.hashes.foreign import convert

SALT = "$1nVZjAvCYrkjThR+x5rgMw$MqA4NI3mcy37IHZJYc5kTm2afhHX1GO34jNkTk6UQJ4"
SECRET = Password.of("s3cret")


@pytest.mark.parametrize(
    ("stored", "verdict", "words"),
    [
        (f"{{ARGON2ID}}$argon2id$v=19$m=4194304,t=3,p=1{SALT}", Verdict.OUT_OF_MEMORY, "4104 MiB"),
        (f"{{ARGON2ID}}$argon2id$v=19$m=4294967295,t=1,p=1{SALT}", Verdict.OUT_OF_MEMORY, "not computed"),
        (f"{{ARGON2ID}}$argon2id$v=19$m=8,t=4294967295,p=1{SALT}", Verdict.UNSUPPORTED, "not computed"),
        (f"{{ARGON2ID}}$argon2id$v=19$m=8,t=4294967296,p=1{SALT}", Verdict.MISMATCH, "32-bit"),
        (f"{{ARGON2ID}}$argon2id$v=19$m=8,t={'9' * 9999},p=1{SALT}", Verdict.MISMATCH, "32-bit"),
        (
            "{BLF-CRYPT}$2y$31$cJt40Fds.Oae7MlRH79uluoaIJOpx8JvQvOrSJTM2a0djbKjOItx2",
            Verdict.UNSUPPORTED,
            "s,",
        ),
        (f"{{PBKDF2}}$1$salt$4294967295${'0' * 40}", Verdict.UNSUPPORTED, "not computed"),
        (f"{{PBKDF2}}$1$salt${'9' * 9999}${'0' * 40}", Verdict.MALFORMED, "32-bit"),
        (f"{{SCRAM-SHA-256}}2147483647,,{'A' * 43}=,{'A' * 43}=", Verdict.UNSUPPORTED, "not computed"),
        (f"{{SHA512-CRYPT}}$6$rounds=999999999$salt${'x' * 85}.", Verdict.UNSUPPORTED, "not computed"),
        (f"{{CRYPT}}$7$z6..../....salt${'x' * 43}", Verdict.OUT_OF_MEMORY, "not computed"),
        (f"{{CRYPT}}$y$jWT$salt${'x' * 43}", Verdict.OUT_OF_MEMORY, "not computed"),
        (f"{{CRYPT}}$sha1$4294967295$salt${'x' * 28}", Verdict.UNSUPPORTED, "not computed"),
        ("{OTP}sha1 -1 seed 0123456789abcdef", Verdict.UNSUPPORTED, "not computed"),
    ],
)
def test_a_string_that_asks_for_too_much_is_refused_at_once(
    stored: str, verdict: Verdict, words: str
) -> None:
    began = time.perf_counter()
    judged = verify(stored, SECRET, default_scheme=None)
    assert verdict is judged.verdict
    assert words in judged.reason
    assert time.perf_counter() - began < 60  # computed, each would take minutes, or more memory than there is


def test_the_bound_is_the_callers() -> None:
    stored = generate("ARGON2ID", SECRET, memory=1024, time=1)
    assert verify(stored, SECRET, limits=Limits(memory=1024)).verdict is Verdict.OUT_OF_MEMORY
    assert verify(stored, SECRET, limits=Limits(seconds=0)).verdict is Verdict.UNSUPPORTED
    assert verify(stored, SECRET).verdict is Verdict.MATCH


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=120) | st.binary(max_size=120))
def test_nothing_crashes_on_anything(stored: str | bytes) -> None:
    parse(stored)
    identify(stored)
    shown(stored)
    convert(stored)
    explain(stored)
    verify(stored, SECRET, limits=Limits(1 << 20, 0.1))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([scheme.name for scheme in SCHEMES]),
    st.sampled_from(["", ".hex", ".B64", ".base64"]),
    st.text(alphabet="$,=./+-_{}0123456789abcdefgimnoprstvxyzADEQgw\n ", max_size=90),
)
def test_nothing_crashes_behind_any_scheme(name: str, dot: str, payload: str) -> None:
    stored = f"{{{name}{dot}}}{payload}"
    parsed = parse(stored, default_scheme=None)
    if isinstance(parsed, Flaw):
        assert parsed.reason
        assert parsed.position is None or 0 <= parsed.position <= len(stored)
    assert payload == "" or len(payload) < 13 or payload not in shown(stored)
    verify(stored, SECRET, user="u@r", limits=Limits(1 << 20, 0.1))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([s for s in SCHEMES if not s.options or s.name.startswith("S")]), st.text(max_size=40))
def test_what_we_make_matches_and_nothing_else_does(scheme: object, text: str) -> None:
    name: str = scheme.name  # type: ignore[attr-defined]
    if "\0" in text or name.startswith(("SCRAM", "SHA256-C", "SHA512-C")):
        return
    stored = generate(name, Password.of(text), user="a@b")
    assert verify(stored, Password.of(text), user="a@b").verdict is Verdict.MATCH
    other = ("y" if text.startswith("x") else "x") + text  # DES-CRYPT takes eight characters only
    assert verify(stored, Password.of(other), user="a@b").verdict is Verdict.MISMATCH


def test_many_threads_judge_alike() -> None:
    stored = [
        generate("ARGON2ID", SECRET, memory=1024, time=1),
        generate("BLF-CRYPT", SECRET, cost=4),
        generate("SHA512-CRYPT", SECRET, rounds=1000),
        generate("CRYPT", SECRET, kind="$6$"),
        generate("MD5-CRYPT", SECRET),
    ]
    with ThreadPoolExecutor(8) as pool:
        right = pool.map(lambda i: verify(stored[i % 5], SECRET).verdict, range(200))
        wrong = pool.map(lambda i: verify(stored[i % 5], Password.of("no")).verdict, range(200))
        assert {*right} == {Verdict.MATCH}
        assert {*wrong} == {Verdict.MISMATCH}


@pytest.mark.parametrize(
    ("m", "p", "kib"),
    [
        (65536, 1, 65668),
        (65536, 4, 65536),
        (262144, 1, 262660),
        (262144, 4, 262276),
        (19456, 1, 19456),
        (8192, 1, 8192),
    ],
)
def test_argon2_takes_what_was_measured(m: int, p: int, kib: int) -> None:
    """Address space that libsodium 1.0.18 needs on top, by bisecting RLIMIT_AS."""
    parsed = parse(f"{{ARGON2ID}}$argon2id$v=19$m={m},t=1,p={p}{SALT}")
    assert isinstance(parsed, Hash)
    assert kib * 1024 == hash_memory(parsed).total


def test_yescrypt_of_debian_takes_16_mib() -> None:
    parsed = parse("{CRYPT}$y$j9T$0B.tZCirBLh6rFyj.Pl6E/$wJQSocLbBw/nZV2VsoKS2n8Umhl5ealRmWZE.O2TF43")
    assert isinstance(parsed, Hash)
    assert hash_memory(parsed).blocks // 2**20 == 16


@pytest.mark.parametrize("p", [1, 2, 4])
@pytest.mark.parametrize("scheme", ["ARGON2I", "ARGON2ID"])
def test_without_libsodium_argon2_cffi_judges_alike(
    scheme: str, p: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = generate(scheme, SECRET, memory=64, time=3, lanes=p)

    def none(_path: str | None = None) -> ctypes.CDLL | None:
        return None

    here = (verify(stored, SECRET), verify(stored, Password.of("no")))
    monkeypatch.setattr(libsodium, "load", none)
    assert here == (verify(stored, SECRET), verify(stored, Password.of("no")))


def test_libsodium_of_a_given_path_wins() -> None:
    assert libsodium.load("/no/such/libsodium.so") is None


@pytest.mark.parametrize("kind", ["2a", "2b", "2x", "2y"])
def test_without_libcrypt_the_bcrypt_package_judges_alike(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = generate("BLF-CRYPT", SECRET, cost=4).replace("$2y$", f"${kind}$")
    long = Password.of("x" * 80)
    passwords = (SECRET, Password.of("no"), long, Password(b"s3cret\0more"))
    here = [verify(stored, password) for password in passwords]

    def none() -> ctypes.CDLL | None:
        return None

    monkeypatch.setattr(libcrypt, "load", none)
    assert here == [verify(stored, password) for password in passwords]
    assert here[0].verdict is here[3].verdict is Verdict.MATCH


@pytest.mark.parametrize(
    "stored",
    [
        "{DES-CRYPT}aw3I7FQrrxsqw",
        "{CRYPT}_7C/.MVPvWIvyu48COHY",
        "{MD5-CRYPT}$1$c9809462$iEBlRH7I2HGPNfqNn3g3n.",
        pytest.param(generate("SHA256-CRYPT", SECRET, rounds=1000), id="SHA256-CRYPT"),
        pytest.param(generate("SHA512-CRYPT", SECRET, rounds=1000), id="SHA512-CRYPT"),
        "{CRYPT}$6$szyE8y5tHCjojc2R$ztBhcIdbBlXg0D3M6/M6acIAds",  # cut off
        "{CRYPT}xx",
    ],
)
def test_without_libcrypt_libpass_judges_alike(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = (SECRET, Password.of("no"), Password.of(""), Password(b"s3cret\0more"))
    here = [verify(stored, password).verdict for password in passwords]
    monkeypatch.setattr(libcrypt, "load", lambda: None)
    there = [verify(stored, password).verdict for password in passwords]
    assert there == here


def test_what_no_library_here_can_compute_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypt, "load", lambda: None)
    old = "{BLF-CRYPT}$2x$04$cJt40Fds.Oae7MlRH79uluGZa3CgsJyee/Pvnbvkz7bio9QwjBX5a"
    assert verify(old, Password(b"\xd0\xc1\xd2\xcf")).verdict is Verdict.UNSUPPORTED
    yescrypt = "{CRYPT}$y$j9T$0B.tZCirBLh6rFyj.Pl6E/$wJQSocLbBw/nZV2VsoKS2n8Umhl5ealRmWZE.O2TF43"
    assert "libcrypt" in verify(yescrypt, SECRET).reason
