"""Where settings are written: the line that sets them, the right file, a layer that stays."""

import os
import subprocess
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.finding import Edit, Remedy
from mailauth.fix import apply, plan, report
from mailauth.fix.journal import FixState
from mailauth.render.fix import fix_text
from tests.fix.conftest import Fix, Labs, config_of, ready_with
from tests.fix.test_apply import BIG, GOOD, both
from tests.proofs.story import SECRET

# Where settings go


@pytest.mark.parametrize(
    ("ends", "others", "where"),
    [
        ("!include conf.d/*.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n# the end\n\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n!include_try local.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include_try conf.d/*.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n", ["99-zz.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\n", ["local.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\nauth_verbose = yes\n", ["10-auth.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\n!include_try settings.conf\n", ["10-auth.conf"], "dovecot.conf"),
    ],
)
def test_where_settings_go(
    fix: Fix, lab: Labs, dovecot_version: str, ends: str, others: list[str], where: str
) -> None:
    """In a drop-in only where it comes last; and there it counts."""
    del fix
    with lab(dovecot_version, "sqlite", {"alice": BIG}) as one:
        folder = one.folder / "conf.d"
        folder.mkdir()
        for name in others:
            (folder / name).write_text("service auth-worker {\n  vsz_limit = 255M\n}\n")
        one.config.write_text(f"{one.config.read_text()}{ends}")
        one.reload()
        before = config_of(one)
        text = "service auth-worker {\n  vsz_limit = 320M\n}"
        ready = ready_with(one, Remedy("Raise.", config=both(text), file=str(one.config)), SECRET)
        assert [change.path for change in ready.plan.files] == [str(one.folder / where)]
        ending = apply.apply(ready)
        assert ending.state is FixState.APPLIED, ending
        assert one.login("alice", SECRET).ok
        assert apply.undo(ending.id).clean
        assert config_of(one) == before


def test_lines_are_changed_where_they_stand(fix: Fix, lab: Labs) -> None:
    """From the bottom up, with their indentation; a line that is another by now is refused."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        file = one.settings_file
        file.write_text("auth_debug = no\nservice auth {\n    vsz_limit = 200M\n}\nauth_cache_size = 1M\n")
        one.reload()
        edits = (
            Edit(str(file), 1, "auth_debug = no", ""),
            Edit(str(file), 3, "vsz_limit = 200M", "vsz_limit = 300M"),
            Edit(str(file), 5, "auth_cache_size = 1M", "auth_cache_size = 2M"),
        )
        ready = ready_with(one, Remedy("Change.", edits=edits))
        assert apply.apply(ready).state is FixState.APPLIED
        assert file.read_text() == "service auth {\n    vsz_limit = 300M\n}\nauth_cache_size = 2M\n"
        with pytest.raises(Refused, match=":5: is not the line that was found there"):
            ready_with(one, Remedy("Change.", edits=edits))


def test_the_diff_keeps_secrets_to_itself(fix: Fix, lab: Labs) -> None:
    """The SQL file has a password, and the line before the end is not shown when it could be one."""
    del fix
    with lab(
        "2.3.19.1", "pgsql", {"alice": GOOD}, sql_extra="# connect again = x password=hidden-secret\n"
    ) as one:
        file = one.folder / "dovecot-sql.conf.ext"
        remedy = Remedy("Set.", config=both("default_pass_scheme = ARGON2ID"), file=str(file))
        told = report.report(ready_with(one, remedy))
        assert "+default_pass_scheme = ARGON2ID" in told.files[0].diff
        assert one.store.place.password not in told.files[0].diff
        assert "hidden-secret" not in fix_text(told)


GENERATED = """# Do not change this file: it is written anew by the panel.
# Your own settings go into dovecot-custom.conf.
"""


@pytest.mark.parametrize("custom", [True, False])
def test_a_generated_file(fix: Fix, lab: Labs, custom: bool) -> None:
    """Its included custom file is the place; where there is none, it says what takes the change away."""
    del fix
    with lab(None, "sqlite", {"alice": BIG}) as one:
        mine = one.folder / "dovecot-custom.conf"
        mine.write_text("# mine\n")
        text = f"{GENERATED}{one.config.read_text()}"
        one.config.write_text(text + (f"!include_try {mine}\n" if custom else "auth_verbose = yes\n"))
        one.reload()
        changed = "service auth-worker {\n  vsz_limit = 320M\n}"
        ready = ready_with(one, Remedy("Raise.", config=both(changed), file=str(one.config)), SECRET)
        assert [change.path for change in ready.plan.files] == [str(mine if custom else one.config)]
        warned = "Do not change this file" in " ".join(ready.plan.careful)
        assert warned is not custom
        assert apply.apply(ready).state is FixState.APPLIED
        assert one.login("alice", SECRET).ok


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_layer_of_a_container(tmp_path: Path) -> None:
    """What is written there goes with the container; what is mounted into it stays."""
    for name in ("upper", "work", "root", "volume"):
        (tmp_path / name).mkdir()
    script = (
        'mount -t overlay o -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root" &&'
        ' mkdir -p "$0/root/srv" && mount --bind "$0/volume" "$0/root/srv" && mount -t proc p "$0/root/proc"'
        ' && exec chroot "$0/root" sh -c "echo ready; exec sleep 600"'
    )
    words = ["unshare", "--mount", "sh", "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout
            if one.stdout.readline() != "ready\n":
                pytest.skip("this machine mounts no overlay here")
            mounts = plan.layers(Installation(pid=one.pid))
            assert plan.within(mounts, "/etc/dovecot/dovecot.conf")
            assert not plan.within(mounts, "/srv/dovecot.conf")
            assert not plan.within(mounts, "/proc/sys/x")
        finally:
            one.kill()
    assert plan.layers(Installation()) == {}
