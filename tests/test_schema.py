"""The JSON schemas in the tree are those of the records, and real output satisfies them."""

import json
from collections.abc import Callable

import jsonschema
import pytest

from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.docs import schemas
from tests.proofs.story import MiB, argon2id

SCHEMA = schemas.FOLDER / "diagnosis.json"


@pytest.mark.parametrize("name", schemas.RECORDS)
def test_the_schema_in_the_tree_is_current(name: str) -> None:
    """When it is not: python -m tests.docs.generated."""
    assert (schemas.FOLDER / f"{name}.json").read_text() == schemas.text(name)


def test_every_schema_has_an_origin() -> None:
    assert {path.stem for path in schemas.FOLDER.iterdir()} == schemas.RECORDS.keys() | schemas.BY_HAND


def test_real_output_satisfies_it(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "sqlite", {"alice": argon2id(memory=256 * MiB), "bob": None}) as one:
        for user, code in (("alice", "MEM001"), ("bob", "USER002"), ("nobody", "USER001")):
            done = mailauth("diagnose", user, "--pid", str(one.master_pid), "--json", "--prove")
            assert done.stderr == ""
            assert done.returncode == 1
            told = json.loads(done.stdout)
            jsonschema.validate(told, json.loads(SCHEMA.read_text()))
            assert [finding["code"] for finding in told["findings"]] == [code]
            assert bool(told["proof"]) == (code == "MEM001")


def test_explain_as_json() -> None:
    told = json.loads(mailauth("explain", "MEM001", "--json").stdout)
    assert told["code"] == "MEM001"
    assert told["explanation"].startswith("The hash needs more memory")
    assert {"code": "MEM001", "title": told["title"]} in json.loads(mailauth("explain", "--json").stdout)
