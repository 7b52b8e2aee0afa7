"""Users in a passwd-file."""

import os
import time
from pathlib import Path

from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, block, lines, share


class PasswdFile(Written):
    """Lines of ``user:stored``."""

    driver = "passwd-file"
    path: Path

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.path = site.folder / "users"
        self.place = LabPlace(path=self.path)
        self._group = site.group

    def passdb(self, wish: Wish) -> Passdb:
        name = "args" if wish.dialect == "2.3" else "passwd_file_path"
        return Passdb(block(self.driver, wish, f"{name} = {self.path}"))

    def _write(self, users: Users) -> None:
        """Replace the file whole, and wait until Dovecot will see it.

        Dovecot looks at the file once a second at most, and takes the same size and second for the same file
        (2.3.19.1 and 2.4.1, src/auth/db-passwd-file.c).
        """
        new = self.path.with_name(self.path.name + ".new")
        new.write_bytes(lines(users).encode("utf-8", "surrogateescape"))
        share(new, self._group)
        if not self.path.exists():
            new.rename(self.path)
            return
        later = max(int(self.path.stat().st_mtime) + 1, int(time.time()))
        os.utime(new, (later, later))
        new.rename(self.path)
        time.sleep(1.001 - time.time() % 1)
