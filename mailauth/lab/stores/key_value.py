"""Users in a dict, as Dovecot 2.3 has it: JSON below passdb/NAME in a file."""

import json
from pathlib import Path

from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, block, ended, put


class Dict(Written):
    """A file of keys and values, a line each: 2.3.19.1, src/lib-dict/dict-file.c."""

    driver = "dict"
    path: Path

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._group = site.group
        self.path = site.folder / "users.dict"
        self.place = LabPlace(path=self.path)

    def passdb(self, wish: Wish) -> Passdb:
        file = wish.folder / "dovecot-dict-auth.conf.ext"
        text = f"uri = file:{self.path}\npassword_key = passdb/%u\n{ended(wish.sql_extra)}"
        return Passdb(block(self.driver, wish, f"args = {file}"), {file: text})

    def _write(self, users: Users) -> None:
        rows = ((f"shared/passdb/{user}", _value(stored)) for user, stored in users.items())
        put(self.path, "".join(f"{_escaped(key)}\n{_escaped(value)}\n" for key, value in rows), self._group)


def _value(stored: str | None) -> str:
    return json.dumps({} if stored is None else {"password": stored})


def _escaped(text: str) -> str:
    r"""``\`` and ends of lines, of which there is none inside: src/lib/strescape.c, str_tabescape()."""
    return text.replace("\1", "\0011")
