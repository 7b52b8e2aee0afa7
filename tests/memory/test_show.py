"""``memory show``: the prediction is exact to the page, for every scheme that takes memory."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mailauth import hashes
from mailauth.errors import CannotObserve
from mailauth.hashes import Flaw, Hash, Password
from mailauth.memory import footprint
from mailauth.memory.measure import measure, spread
from mailauth.probes.linked import linked_library
from tests.memory.conftest import Mailauth, schema_file

STORED = (
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
    "3OVXVPDVcsh6L0gsJ5zrkgTRsd4I3wqTO4tKnB3Jn8o"
)


def made(scheme: str, **options: Any) -> Hash:
    parsed = hashes.parse(hashes.generate(scheme, Password.of("x"), **options))
    assert not isinstance(parsed, Flaw)
    return parsed


@pytest.mark.parametrize(
    ("m", "p", "blocks", "index"),
    [
        (65536, 1, 67108864, 131072),
        (65536, 4, 67108864, 32768),
        (19456, 1, 19922944, 38912),
        (19457, 1, 19922944, 38912),
        (1048576, 1, 1073741824, 2097152),
        (8, 1, 8192, 16),
    ],
)
def test_argon2_in_closed_form(m: int, p: int, blocks: int, index: int) -> None:
    parts = footprint.argon2(m, p).parts
    assert (blocks, index) == (parts[0].asked, parts[1].asked)


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("ARGON2ID", {"memory": 65536, "time": 1, "lanes": 1}),
        ("ARGON2ID", {"memory": 65536, "time": 1, "lanes": 4}),
        ("ARGON2ID", {"memory": 19457, "time": 1, "lanes": 2}),
        ("ARGON2I", {"memory": 131072, "time": 1, "lanes": 1}),
        ("CRYPT", {"kind": "$y$"}),
        ("CRYPT", {"kind": "$gy$"}),
        ("CRYPT", {"kind": "$7$"}),
        ("CRYPT", {"kind": "$y$", "rounds": 1}),
        ("SHA512-CRYPT", {"rounds": 1000}),
        ("BLF-CRYPT", {"cost": 4}),
    ],
)
def test_predicted_and_both_measurements_agree_to_the_byte(
    scheme: str, options: dict[str, int | str]
) -> None:
    parsed = made(scheme, **options)
    seen = measure(parsed, runs=1)
    assert (seen.rose, seen.bisected) == (footprint.of(parsed).first, footprint.of(parsed).first)


def test_the_library_is_the_one_that_dovecot_links() -> None:
    found = linked_library("libsodium")
    assert found is None or (Path(found).exists() and "libsodium" in found)


def test_passes_take_no_memory() -> None:
    assert footprint.of(made("ARGON2ID", memory=1024, time=1)) == footprint.of(
        made("ARGON2ID", memory=1024, time=9)
    )


def test_a_scheme_that_dovecot_computes_itself_is_not_measured() -> None:
    with pytest.raises(CannotObserve, match=r"^SSHA512 is computed by Dovecot itself"):
        measure(made("SSHA512"))


def test_a_hash_larger_than_the_machine_is_not_measured(memory: Mailauth) -> None:
    ran = memory("show", "--memory", "3T", "--measure")
    assert ran.status == 3
    assert "are free: not measured." in ran.err


def test_the_95th_percentile_is_one_of_the_times() -> None:
    assert spread([float(n) for n in range(100, 0, -1)]).p95 == 95.0
    assert spread([7.0]).p95 == 7.0


def test_shown_as_text(memory: Mailauth) -> None:
    ran = memory("show", "--stdin", feed=STORED + "\n")
    assert ran.status == 0
    assert "blocks                    67108864 bytes     64 MiB  a mapping of 67108864 bytes\n" in ran.out
    assert "index array                 131072 bytes    128 KiB  a mapping of 135168 bytes\n" in ran.out
    assert "3OVXVPDVcsh6" not in ran.out


def test_the_salt_and_digest_are_never_shown(memory: Mailauth) -> None:
    ran = memory("show", STORED, "--json")
    assert "MDEyMzQ1" not in ran.out + ran.err
    assert "3OVXVPDVcsh6" not in ran.out + ran.err


def test_json_fits_its_published_schema(memory: Mailauth) -> None:
    ran = memory("show", "--memory", "8M", "--measure", "--runs", "2", "--json")
    jsonschema.validate(ran.json, schema_file("memory-show"))
    assert ran.json["measured"]["rose"] == ran.json["first"] == 8 << 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give a stored HASH, --stdin, --fd or --memory"),
        (("x", "--stdin"), "give a stored HASH, --stdin, --fd or --memory"),
        (("{ARGON2ID}$argon2id$v=19$m=1",), "this stored string can never match: "),
        (("--memory", "1"), "no Argon2 hash has memory=1 KiB, time=1, lanes=1: "),
        (("--memory", "lots"), "'lots' is not a size"),
        (("--time", "3"), "--time and --lanes need --memory"),
        (("--fd", "99"), "--fd 99: cannot be read"),
        (("--stdin",), "nothing was there to read"),
        (("--memory", "4M", "--measure", "--library", "/no/such.so"), ""),
    ],
)
def test_bad_input_is_one_sentence(memory: Mailauth, words: tuple[str, ...], said: str) -> None:
    ran = memory("show", *words)
    assert ran.status == (3 if "--library" in words else 2)
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
