"""A Dovecot whose whole configuration is written by hand, as the manual of some mail stack has it.

A file's text may name what differs from machine to machine:

    @DIR@                                     the rig's folder: files, mail, run, the log
    @HOST@ @PORT@ @USER@ @PASSWORD@ @NAME@    of the database
    @FILE@                                    the SQLite file
    @VERSION@                                 of the Dovecot, as ``dovecot_config_version`` takes it

and what the test gives beside (``values``), such as @HASH@.

A file of its own, included last, keeps it off this machine's ports, folders and penalties.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore, share

_PORTS = {  # listeners that would take this machine's ports
    "imap-login": ("imap", "imaps"),
    "pop3-login": ("pop3", "pop3s"),
    "submission-login": ("submission", "submissions"),
    "managesieve-login": ("sieve", "sieve_deprecated"),
}


class Rig(Lab):
    """``files``: name -> text, below the rig's folder; "dovecot.conf" is the main one.

    ``schema``: statements that make the tables and their rows; the lab's own table is dropped first.
    ``values``: what stands for more names in the files and the schema.
    ``private``: files that only root may read; any other may be read by Dovecot's group.
    """

    def __init__(
        self,
        version: str,
        store: str,
        files: Mapping[str, str],
        schema: Sequence[str] = (),
        *,
        values: Mapping[str, str] | None = None,
        private: Sequence[str] = (),
        protocols: tuple[str, ...] = ("imap",),
        **more: Any,
    ) -> None:
        super().__init__(version, store, {}, "", protocols, **more)
        self._files, self._schema, self._private = dict(files), tuple(schema), frozenset(private)
        self._values = {f"@{name}@": value for name, value in (values or {}).items()}

    def write(self, name: str, text: str) -> Path:
        """A file below the rig's folder, with its values put in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(path, self.filled(text))
        if name not in self._private:
            share(path, self.build.group("dovecot") if os.geteuid() == 0 else None)
        return path

    def filled(self, text: str) -> str:
        """``text`` with the values of this rig."""
        place, version = self.store.place, self.version
        values = {
            "@DIR@": str(self.folder),
            "@HOST@": place.host,
            "@PORT@": str(place.port),
            "@USER@": place.user,
            "@PASSWORD@": place.password,
            "@NAME@": place.database,
            "@FILE@": str(place.path or ""),
            "@VERSION@": f"{version.major}.{version.minor}.{version.patch}",
            **self._values,
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def sql(self, *statements: str) -> None:
        """Run statements in the rig's database, as its administrator would."""
        store = self.store
        assert isinstance(store, SqlStore)
        store.execute(*(self.filled(one) for one in statements))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as its administrator would; the change counts after reload()."""
        path = self.folder / name
        text = path.read_text()
        old, new = self.filled(old), self.filled(new)
        assert old in text, f"{name} has no {old!r}"
        self._write(path, text.replace(old, new))

    def _furnish(self) -> None:
        super()._furnish()
        if isinstance(self.store, SqlStore):
            self.sql("DROP TABLE users", *self._schema)
        (self.folder / "mail").chmod(0o777)  # whoever owns the mail in this stack
        for name, text in self._files.items():
            self.write(name, text)
        main = self.folder / "dovecot.conf"
        self._write(main, f"{main.read_text()}\n!include {self._machine()}\n!include {self.settings_file}\n")

    def _machine(self) -> Path:
        """What keeps a rig from this machine, and from other rigs."""
        text = (
            f"base_dir = {self.folder}/run\nstate_dir = {self.folder}/state\nlog_path = {self.folder}/log\n"
            "listen = 127.0.0.1\nauth_failure_delay = 0\n"
            "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
        )
        for service, listeners in _PORTS.items():
            inside = "".join(
                f"  inet_listener {name} {{\n    port = {self.ports.get(name, 0)}\n  }}\n"
                for name in listeners
            )
            text += f"service {service} {{\n{inside}}}\n"
        path = self.folder / "machine.conf"
        self._write(path, text)
        return path
