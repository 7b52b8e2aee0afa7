"""Transparent huge pages: the setting that counts, the trial, and that it is put back whatever happens.

The kernel's own setting is changed, where it may be; elsewhere the refusal is looked at.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from mailauth.errors import CannotObserve
from mailauth.hashes import Hash, parse
from mailauth.lab import Lab
from mailauth.memory.huge_guard import chosen
from mailauth.memory.huge_pages import (
    ALWAYS,
    ROOT,
    HugePages,
    HugeSide,
    HugeTrial,
    huge_pages,
    setting_of,
    trial,
)
from mailauth.memory.measure import spread
from mailauth.render.huge_pages import huge_pages_line, trial_lines
from tests.cli.running import mailauth
from tests.memory.conftest import Mailauth, schema_file

SMALL = "{ARGON2ID}$argon2id$v=19$m=4096,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43
MEASURED_HERE = os.access(ROOT / "enabled", os.W_OK)
QUICK = (
    "recommend",
    "--driver",
    "passwd-file",
    "--vsz-limit",
    "36M",
    "--peak",
    "0.1",
    "--seconds",
    "0.1",
    "--latency",
    "60000",
)


def small() -> Hash:
    found = parse(SMALL.encode())
    assert isinstance(found, Hash)
    return found


@pytest.fixture
def pages() -> Iterator[HugePages]:
    """This machine's, set to madvise where it is always; put back at the end."""
    if not MEASURED_HERE:
        pytest.skip("the kernel's setting of transparent huge pages may not be changed here")
    # one test at a time for the whole kernel, chroots included; the trial itself locks the other file
    with (ROOT / "defrag").open(encoding="ascii") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        found = huge_pages()
        if found.given:
            Path(found.file).write_text("madvise", encoding="ascii")
        yield huge_pages()
        Path(found.file).write_text(found.setting, encoding="ascii")


def eventually(pages: HugePages, word: str) -> None:
    until = time.monotonic() + 60
    while setting_of(pages) != word:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_setting_that_counts(tmp_path: Path) -> None:
    """The largest size's own, where it has one; what is no setting is said."""
    (tmp_path / "enabled").write_text("always [madvise] never\n")
    (tmp_path / "hpage_pmd_size").write_text("2097152\n")
    assert huge_pages(tmp_path) == HugePages("madvise", str(tmp_path / "enabled"))
    own = tmp_path / "hugepages-2048kB"
    own.mkdir()
    (own / "enabled").write_text("always [inherit] madvise never\n")
    assert huge_pages(tmp_path).file == str(tmp_path / "enabled")
    (own / "enabled").write_text("[always] inherit madvise never\n")
    assert huge_pages(tmp_path) == HugePages(ALWAYS, str(own / "enabled"))
    (own / "enabled").unlink()
    (tmp_path / "enabled").write_text("what\n")
    with pytest.raises(CannotObserve, match="does not say which setting counts"):
        huge_pages(tmp_path)
    (tmp_path / "enabled").unlink()
    with pytest.raises(CannotObserve, match="cannot be read"):
        huge_pages(tmp_path)


def test_a_trial_measures_both_and_puts_the_setting_back(pages: HugePages) -> None:
    seen = trial(small(), pages, turns=2, seconds=0.05)
    assert (setting_of(pages), seen.put_back, len(seen.ratios)) == (pages.setting, True, 2)
    assert (seen.as_is.setting, seen.always.setting) == (pages.setting, ALWAYS)
    for side in (seen.as_is, seen.always):
        assert side.bisected == side.address_space >= 4 * 2**20
    assert seen.as_is.address_space == seen.always.address_space
    assert any("vsz_limit need not change" in line for line in trial_lines(seen))


def test_a_trial_that_raises_puts_the_setting_back(pages: HugePages) -> None:
    def step() -> None:
        if setting_of(pages) == ALWAYS:
            raise CannotObserve("enough.")

    with pytest.raises(CannotObserve, match="enough"):
        trial(small(), pages, turns=2, seconds=0.05, step=step)
    assert setting_of(pages) == pages.setting


def test_two_trials_do_not_mix_and_another_setting_ends_one(pages: HugePages) -> None:
    """Somebody else's change is not undone either."""

    def another() -> None:
        with pytest.raises(CannotObserve, match="another trial is changing it"):
            trial(small(), pages, turns=1, seconds=0.05)

    assert trial(small(), pages, turns=1, seconds=0.05, step=another).put_back
    others = "never" if pages.setting == "madvise" else "madvise"

    def changed() -> None:
        if setting_of(pages) == ALWAYS:
            Path(pages.file).write_text(others)

    with pytest.raises(CannotObserve, match=f"somebody else set it to {others}"):
        trial(small(), pages, turns=2, seconds=0.05, step=changed)
    assert setting_of(pages) == others
    Path(pages.file).write_text(pages.setting)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_command_the_setting_is_put_back(pages: HugePages, kind: signal.Signals) -> None:
    """And it says so, where it still can."""
    code = (
        "from mailauth.memory.huge_pages import huge_pages, trial\n"
        "from tests.memory.test_huge_pages import small\n"
        "trial(small(), huge_pages(), turns=1000, seconds=0.05)"
    )
    words = ["env", "--default-signal=HUP", sys.executable, "-c", code]  # under nohup it would be ignored
    with subprocess.Popen(words, stderr=subprocess.PIPE) as running:
        eventually(pages, ALWAYS)
        running.send_signal(kind)
        assert running.wait(60) != 0
    eventually(pages, pages.setting)
    time.sleep(0.1)
    assert setting_of(pages) == pages.setting


def test_on_the_command_line(memory: Mailauth, pages: HugePages) -> None:
    ran = memory(*QUICK, "--try-huge-pages", "--json")
    assert ran.status == 0, ran.err
    jsonschema.validate(ran.json, schema_file("memory-recommend"))
    assert ran.json["huge_pages"] == {"setting": pages.setting, "file": pages.file}
    assert (ran.json["trial"]["put_back"], len(ran.json["trial"]["ratios"])) == (True, 4)
    assert f"{pages.file} is set to always for some seconds, and back to {pages.setting}" in ran.err
    assert f"run: echo {pages.setting} > {pages.file}" in ran.err
    assert ran.err.endswith(f"{pages.file} is {pages.setting} again.\n")
    assert setting_of(pages) == pages.setting
    Path(pages.file).write_text(ALWAYS)
    ran = memory(*QUICK, "--try-huge-pages")
    assert (ran.status, ran.out) == (3, "")
    assert "logins have huge pages, and there is nothing to try" in ran.err


def test_checkup_says_the_setting_where_a_store_has_argon2(
    lab: Callable[..., Lab], dovecot_version: str, pages: HugePages
) -> None:
    """One line, with no number; not as a finding, and not where no hash of Argon2 is stored."""
    for stored, wanted in ((SMALL, True), ("{SHA512-CRYPT}$6$saltsalt$" + "a" * 86, False)):
        with lab(dovecot_version, "passwd-file", {"alice": stored}) as one:
            done = mailauth("checkup", "--pid", str(one.master_pid))
            assert ("Transparent huge pages are" in done.stdout) is wanted, done
            if wanted:
                assert huge_pages_line(pages) in " ".join(done.stdout.split())
                assert "mailauth memory recommend --try-huge-pages" in huge_pages_line(pages)


def test_without_rights_nothing_is_changed(tmp_path: Path) -> None:
    """A file that may be read only, as sysfs is in a container."""
    with pytest.raises(CannotObserve, match="/proc/version: "):
        trial(small(), HugePages("madvise", "/proc/version"), turns=1, seconds=0.05)
    plain = tmp_path / "enabled"
    plain.write_text("always [madvise] never")
    with pytest.raises(CannotObserve, match="somebody else set it to nothing"):
        trial(small(), HugePages("madvise", str(plain)), turns=1, seconds=0.05)
    assert chosen(str(tmp_path / "none")) == ""


def test_what_is_said_of_a_trial() -> None:
    """A gain only where every turn has it; another address space, and a setting that was not put back."""

    def side(setting: str, took: float, room: int) -> HugeSide:
        return HugeSide(setting, spread([took]), room, room, 2 * room, 8 << 20)

    was, now = side("madvise", 0.08, 64 << 20), side(ALWAYS, 0.05, 66 << 20)
    good = HugeTrial("h", 1, was, now, (0.6, 0.7), 9, 1, put_back=True)
    text = "\n".join(trial_lines(good))
    assert (
        "at least 80 ms with madvise, 50 ms with always; always takes 0.65 of the time (0.60 to 0.70)" in text
    )
    assert "2 MiB more with always: vsz_limit must have room for it" in text
    assert "transparent_hugepage=always" in text
    text = "\n".join(trial_lines(HugeTrial("h", 1, was, now, (0.6, 1.1), 9, 1, put_back=False)))
    assert "no gain that all turns agree on (0.60 to 1.10 of the time)" in text
    assert "THE SETTING WAS NOT PUT BACK; it was madvise." in text
    assert huge_pages_line(HugePages(ALWAYS, "x")) == "Transparent huge pages are always: Argon2 has them."
