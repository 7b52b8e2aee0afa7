"""bin/sbom lists what is installed: each release of the lock, with the hashes of its files."""

import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def told() -> bytes:
    return subprocess.run(
        [sys.executable, "-I", str(TOP / "bin/sbom")], capture_output=True, check=True
    ).stdout


def test_the_bill_has_what_the_lock_has() -> None:
    """And the same text each time, with no host of a registry in it."""
    text = told()
    assert text == told()
    assert b"http" not in text
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    lock = (TOP / "bin/locked/demo.txt").read_text()
    locked = dict(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;\\]+)", lock, re.MULTILINE))
    listed = {one["name"]: one for one in bill["components"]}
    assert {name: one["version"] for name, one in listed.items()} == locked
    hashes = [hash_["content"] for one in bill["components"] for hash_ in one["hashes"]]
    assert sorted(hashes) == sorted(re.findall(r"sha256:([0-9a-f]{64})", lock))
    assert all(one["hashes"] for one in bill["components"])
    (whole,) = bill["dependencies"]
    assert whole["ref"] == bill["metadata"]["component"]["bom-ref"]
    assert set(whole["dependsOn"]) == {one["bom-ref"] for one in bill["components"]}
