"""Users that a program verifies, as Dovecot 2.3 asks one: https://cr.yp.to/checkpwd/interface.html."""

from pathlib import Path

from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, block, lines, put

# Descriptor 3 has NAME, NUL, PASSWORD, NUL.  Dovecot takes any status but 0 and 1 for a fault, and wants the
# reply program, $1, to be run at the end.  doveadm takes the password on its standard input.
_SCRIPT = """\
#!/bin/sh
{{ IFS= read -r user; IFS= read -r password; }} <<END
$(tr '\\000' '\\n' <&3)
END
while IFS= read -r line; do
    if [ "${{line%%:*}}" = "$user" ]; then
        stored=${{line#*:}}
        printf '%s\\n' "$password" | {doveadm} -c {config} pw -t "$stored" >/dev/null 2>&1 || exit 1
        exec "$@"
    fi
done <{file}
exit 3
"""
_CONFIG = "log_path = /dev/null\nssl = no\n"


class Checkpassword(Written):
    """Lines of ``user:stored`` beside a shell script that verifies with doveadm."""

    driver = "checkpassword"

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._group = site.group
        self._file = site.folder / "checkpassword-users"
        self.path: Path = site.folder / "checkpassword"
        self.place = LabPlace(path=self.path)
        config = site.folder / "checkpassword.conf"
        put(config, _CONFIG, site.group)
        text = _SCRIPT.format(file=self._file, config=config, doveadm="/usr/bin/doveadm")
        put(self.path, text, site.group, 0o750)

    def passdb(self, wish: Wish) -> Passdb:
        return Passdb(block(self.driver, wish, f"args = {self.path}"))

    def _write(self, users: Users) -> None:
        put(self._file, lines(users), self._group)
