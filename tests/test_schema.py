"""The JSON schema in the tree is that of the records, and real output satisfies it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema

from mailauth.lab import Lab
from mailauth.render.json import schema, to_json
from tests.cli.running import mailauth
from tests.proofs.story import MiB, argon2id

SCHEMA = Path(__file__).parent.parent / "mailauth" / "schemas" / "diagnosis.json"


def test_the_schema_in_the_tree_is_current() -> None:
    """When it is not: python -c 'from mailauth.render.json import *; print(to_json(schema()))'."""
    assert json.loads(SCHEMA.read_text()) == json.loads(to_json(schema()))


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
