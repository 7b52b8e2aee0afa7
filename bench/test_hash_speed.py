"""pytest bench/test_hash_speed.py --benchmark-enable: one store of rows, parsed and identified."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from passlib.context import CryptContext
from pytest_benchmark.fixture import BenchmarkFixture

from mailauth.hashes import Password, generate, identify, parse, verify


def _speed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hash_speed", Path(__file__).with_name("hash_speed.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def strings() -> list[str]:
    rows: list[str] = _speed().rows(2000)
    return rows


@pytest.mark.benchmark(group="2000 rows")
def test_parse(benchmark: BenchmarkFixture, strings: list[str]) -> None:
    benchmark(lambda: [parse(text) for text in strings])


@pytest.mark.benchmark(group="2000 rows")
def test_identify(benchmark: BenchmarkFixture, strings: list[str]) -> None:
    benchmark(lambda: [identify(text) for text in strings])


@pytest.mark.benchmark(group="2000 rows")
def test_libpass_identify(benchmark: BenchmarkFixture, strings: list[str]) -> None:
    speed = sys.modules["hash_speed"]
    context = CryptContext([*speed.MORE_HANDLERS, *speed.HANDLERS.values()])
    native = [speed.bare(text) for text in strings]
    benchmark(lambda: [context.identify(text) for text in native])


@pytest.mark.benchmark(group="verify")
@pytest.mark.parametrize(
    ("scheme", "options"), [("ARGON2ID", {"memory": 65536, "time": 3}), ("BLF-CRYPT", {"cost": 10})]
)
def test_verify(benchmark: BenchmarkFixture, scheme: str, options: dict[str, int]) -> None:
    stored = generate(scheme, Password.of("s3cret"), user="", **options)
    benchmark(verify, stored, Password.of("s3cret"))
