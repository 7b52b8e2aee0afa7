"""logrotate and journald, with the files of docs/monitoring: Dovecot writes on into the new file."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from mailauth.lab import Lab
from tests.check.test_snippets import GROUP, SNIPPETS, USER, run
from tests.check.tools import tool


def logrotate(folder: Path, *words: str) -> tuple[int, str]:
    return run(tool("logrotate"), "--state", folder / "state", *words, folder / "logrotate")


def test_logrotate_takes_it_as_it_is(tmp_path: Path) -> None:
    """-d: what it would do."""
    shutil.copy(SNIPPETS / "logrotate", tmp_path)
    (tmp_path / "logrotate").chmod(0o644)
    status, said = logrotate(tmp_path, "--debug")
    assert status == 0, said
    assert "error" not in said
    assert re.search(r"after 1 days .*\(14 rotations\)", said)  # Debian 13's says more between the two
    (tmp_path / "logrotate").write_text((SNIPPETS / "logrotate").read_text().replace("daily", "dayly"))
    assert "unknown option 'dayly'" in logrotate(tmp_path, "--debug")[1]


def test_dovecot_writes_on_into_the_new_file(
    lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path
) -> None:
    """In place of the paths, the owner and the program: those of a lab."""
    with lab(dovecot_version) as one:
        log = one.folder / "log"
        text = (SNIPPETS / "logrotate").read_text()
        for there, here in (
            ("/var/log/dovecot.log /var/log/dovecot-info.log", str(log)),
            ("root adm", f"{USER} {GROUP}"),
            ("/usr/bin/doveadm log reopen", shlex.join(one.argv("doveadm", "log", "reopen"))),
        ):
            assert there in text
            text = text.replace(there, here)
        # Files of the lab's folder, which others may write to, are rotated for their owner only.
        (tmp_path / "logrotate").write_text(text.replace("daily", f"su {USER} {GROUP}\n    daily"))
        (tmp_path / "logrotate").chmod(0o644)
        assert not one.login("before", b"x").ok
        assert one.logs("before")
        status, said = logrotate(tmp_path, "--force", "--verbose")
        assert status == 0, said
        assert not one.login("after", b"x").ok
        assert one.logs("after")
        assert "before" not in one.log()
        assert "before" in log.with_name("log.1").read_text()


def test_systemd_has_the_limits(tmp_path: Path) -> None:
    """Those of journald by the names in its program, which systemd-analyze does not judge."""
    programs = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
    program = next(path for path in map(Path, programs) if path.exists()).read_bytes()
    lines = (SNIPPETS / "journald.conf").read_text().splitlines()
    keys = [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")]
    assert "[Journal]" in lines
    assert len(keys) == 3
    assert all(f"Journal.{key}\0".encode() in program for key in keys)
    assert b"Journal.SystemMostUse\0" not in program

    places = tmp_path / "etc/systemd/journald.conf.d"
    places.mkdir(parents=True)
    shutil.copy(SNIPPETS / "journald.conf", places / "mailauth.conf")
    (places.parent / "journald.conf").write_text("[Journal]\n")
    analyze = tool("systemd-analyze")
    status, said = run(analyze, "--root", tmp_path, "cat-config", "systemd/journald.conf")
    assert status == 0, said
    assert said.index("SystemMaxUse=2G") > said.index("[Journal]")

    units = tmp_path / "units"
    (units / "dovecot.service.d").mkdir(parents=True)
    (units / "dovecot.service").write_text("[Service]\nExecStart=/bin/true\n")
    drop_in = units / "dovecot.service.d" / "journal.conf"
    text = (SNIPPETS / "dovecot-journal.conf").read_text()
    for line, wanted in ((text, ""), (text.replace("Burst", "Bursts"), "LogRateLimitBursts")):
        drop_in.write_text(line)
        _, said = run(analyze, "verify", "--man=no", units / "dovecot.service", SYSTEMD_UNIT_PATH=f"{units}:")
        assert wanted in said
        assert bool(wanted) == bool(said), said
