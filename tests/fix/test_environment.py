"""Variables of whoever calls us (sudo may keep them) lead no change to another server than Dovecot's."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from mailauth.lab.stores.sql import ServerStore
from tests.cli.running import ROOT
from tests.fix.conftest import Labs
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
CUT = GOOD[:60]


@contextmanager
def listener(port: int) -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """Who calls us names a server of their own: the variables, and what it was told."""
    heard: list[bytes] = []

    def serve(place: socket.socket) -> None:
        while True:
            try:
                link, _ = place.accept()
            except OSError:
                return
            with link:
                heard.append(link.recv(4096))

    with socket.create_server(("127.0.0.9", port)) as place:
        Thread(target=serve, args=(place,), daemon=True).start()
        try:
            yield {"PGHOSTADDR": "127.0.0.9", "PGOPTIONS": "-c role=evil"}, heard
        finally:
            place.shutdown(socket.SHUT_RDWR)


def run(words: list[str], state: Path, more: dict[str, str], feed: bytes = b"") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", *words],
        input=feed,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAILAUTH_STATE": str(state), **more},
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("how", ["migrate", "fix"])
def test_the_change_goes_to_dovecots_own(lab: Labs, tmp_path: Path, dovecot_version: str, how: str) -> None:
    bare = GOOD.removeprefix("{ARGON2ID}")
    stored = {"alice": CUT if how == "fix" else bare, "bob": GOOD}
    with lab(dovecot_version, "pgsql", stored) as one:
        assert isinstance(one.store, ServerStore)
        with listener(one.store.server.port) as (more, heard):
            if how == "fix":
                words = [
                    "fix",
                    "HASH005",
                    "alice",
                    "--pid",
                    str(one.master_pid),
                    "--apply",
                    "--password-stdin",
                ]
                run(words, tmp_path / "state", more, SECRET + b"\n")
                assert one.store.users()["alice"] != CUT
            else:
                words = ["migrate", "apply", "--prefix", "--pid", str(one.master_pid), "--apply", "--json"]
                told = json.loads(run(words, tmp_path / "state", more))
                assert told["report"]["written"] == 1
                assert one.store.users()["alice"] == GOOD
        assert not heard


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's own home is theirs")
@pytest.mark.parametrize("how", ["migrate", "fix"])
def test_an_option_file_in_the_callers_home(
    lab: Labs, tmp_path: Path, dovecot_version: str, how: str
) -> None:
    """MariaDB's client runs a statement of it in each connection; Dovecot has no home."""
    (tmp_path / ".my.cnf").write_text("[client]\ninit-command=DELETE FROM users WHERE userid = 'bob'\n")
    bare = GOOD.removeprefix("{ARGON2ID}")
    with lab(dovecot_version, "mysql", {"alice": CUT if how == "fix" else bare, "bob": GOOD}) as one:
        if how == "fix":
            words = ["fix", "HASH005", "alice", "--pid", str(one.master_pid), "--apply", "--password-stdin"]
        else:
            words = ["migrate", "apply", "--prefix", "--pid", str(one.master_pid), "--apply"]
        run(words, tmp_path / "state", {"HOME": str(tmp_path)}, SECRET + b"\n" if how == "fix" else b"")
        assert set(one.store.users()) == {"alice", "bob"}
