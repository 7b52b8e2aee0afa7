"""The Debian package in a clean root: installed, used on a real Dovecot, and gone without a trace."""

import os
import shutil
import subprocess
import zipfile
from importlib.metadata import distributions
from pathlib import Path

from tests.cli.running import ROOT
from tests.packaging.conftest import build, run, sections, wheels
from tests.proofs.story import MiB, argon2id

# Everything happens in a copy that is gone with this process, and without a network.
OUTSIDE = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
cp "$2" /mnt/root/mailauth.deb
cp "$3" /mnt/root/inside
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
exec chroot /mnt/root sh -eu /inside
"""
INSIDE = """
echo "== install"
apt-get install --yes --no-install-recommends ./mailauth.deb
touch /since; sleep 0.05
echo "== version"; mailauth --version
echo "== hash"; printf 'correct horse\\n' | mailauth hash new --scheme ARGON2ID --stdin
echo "== diagnose"
cat >/etc/dovecot/users <<'END'
alice:%(stored)s:65534:65534::/tmp
END
case $(dovecot --version) in
2.3*) cat >/etc/dovecot/dovecot.conf <<'END'
protocols =
log_path = /var/log/dovecot.log
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
END
;;
*) cat >/etc/dovecot/dovecot.conf <<'END'
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols =
log_path = /var/log/dovecot.log
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
END
;;
esac
dovecot
mailauth diagnose alice || echo "status $?"
mailauth report alice --output /tmp/report.html || echo "status $?"
head -n 1 /tmp/report.html
doveadm stop
echo "== man"; man mailauth-diagnose | head -n 8
echo "== whatis"; mandb --quiet 2>/dev/null; whatis mailauth
echo "== files"; dpkg --listfiles mailauth
echo "== verify"; dpkg --verify mailauth
echo "== scripts"; ls /var/lib/dpkg/info/mailauth.*
echo "== written"; find /usr/lib/mailauth /usr/bin -newer /since
echo "== remove"
apt-get purge --yes mailauth
echo "== left"
find / -xdev -name '*mailauth*' -not -path '/proc/*' -not -name 'mailauth.deb' -not -path '/var/cache/man/*'
"""


def test_built_installed_used_and_removed(package: Path, clean_root: Path, tmp_path: Path) -> None:
    """One test, since building takes long, and each worker of pytest would build for itself."""
    assert build(tmp_path / "again").read_bytes() == package.read_bytes(), "two builds differ"
    is_for_one_python_and_runs_nothing_as_root(package, tmp_path / "control")
    has_the_libraries_of_the_tests(package, tmp_path / "tree")
    script = tmp_path / "inside"
    script.write_text(INSIDE % {"stored": argon2id(memory=256 * MiB)})
    outside = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-euc", OUTSIDE, "sh"]
    done = subprocess.run(
        [*outside, str(clean_root), str(package), str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = sections(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Setting up mailauth" in said["install"]
    assert "Setting up python3 " in said["install"]
    assert said["version"].startswith("mailauth ")
    assert said["hash"].startswith("{ARGON2ID}$argon2id$")
    assert "BLOCKS LOGIN  MEM001" in said["diagnose"]
    assert said["diagnose"].count("status 1") == 2
    assert "<!DOCTYPE html>" in said["diagnose"]
    assert "mailauth-diagnose - find out why a login fails" in said["man"]
    assert said["whatis"].startswith("mailauth (1)")
    files = said["files"].splitlines()
    for path in (
        "/usr/bin/mailauth",
        "/usr/share/man/man1/mailauth.1.gz",
        "/usr/share/bash-completion/completions/mailauth",
        "/usr/share/zsh/vendor-completions/_mailauth",
        "/usr/share/fish/vendor_completions.d/mailauth.fish",
        "/usr/share/doc/mailauth/copyright",
        "/usr/share/doc/mailauth/mailauth.cdx.json",
    ):
        assert path in files
    assert not [path for path in files if not path.startswith(("/usr", "/."))]
    assert said["verify"] == ""
    assert {Path(line).suffix for line in said["scripts"].split()} == {".list", ".md5sums"}
    assert said["written"] == ""
    assert "Removing mailauth" in said["remove"]
    assert said["left"] == ""


def test_a_library_that_is_another_file_is_refused(tmp_path: Path) -> None:
    """The index, or a mirror, has another wheel of the same release: it would run as root on mail servers."""
    here = tmp_path / "wheels"
    shutil.copytree(wheels(), here)
    (one,) = here.glob("mdurl-*.whl")
    with zipfile.ZipFile(one, "a") as wheel:
        wheel.writestr("mdurl/evil.py", "")
    done = subprocess.run(
        ["bin/deb", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "MAILAUTH_WHEELS": str(here)},
    )
    assert done.returncode, done.stdout
    assert "mdurl 0." in done.stderr
    assert "its file is not one of those that bin/locked/demo.txt names" in done.stderr
    assert not list(tmp_path.glob("out/*.deb"))


def is_for_one_python_and_runs_nothing_as_root(package: Path, folder: Path) -> None:
    run("dpkg-deb", "--control", str(package), str(folder))
    assert {path.name for path in folder.iterdir()} == {"control", "md5sums"}
    fields = (folder / "control").read_text()
    minor = run("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    assert f"Depends: python3 (>= {minor}~), python3 (<< " in fields
    assert f" python{minor}, " in fields
    assert "Recommends: dovecot-core\n" in fields


def has_the_libraries_of_the_tests(package: Path, folder: Path) -> None:
    run("dpkg-deb", "--extract", str(package), str(folder))
    told = (folder / "usr/share/doc/mailauth/libraries").read_text().splitlines()
    here = {_normal(one.metadata["Name"]): one.version for one in distributions()}
    assert len(told) > 10
    for name, version in (line.split() for line in told):
        assert here[_normal(name)] == version


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
