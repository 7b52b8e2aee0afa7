"""Users of another server, which is asked by IMAP: another lab, with a passwd-file."""

from pathlib import Path

from mailauth.lab.ports import HOST
from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, block


class Imap:
    """Another Dovecot of the same version."""

    driver, url = "imap", ""
    path: Path | None = None
    binds: tuple[tuple[str, str], ...] = ()

    def __init__(self, site: Site) -> None:
        self.other = site.neighbour()
        self.place = LabPlace(host=HOST, port=self.other.ports["imap"])

    def passdb(self, wish: Wish) -> Passdb:
        host, port = self.place.host, self.place.port
        if wish.dialect == "2.3":
            return Passdb(block(self.driver, wish, f"args = host={host} port={port}"))
        inside = f"imapc_host = {host}\nimapc_port = {port}\nimapc_user = %{{user}}\nimapc_ssl = no"
        return Passdb(block(self.driver, wish, inside))

    def users(self) -> dict[str, str | None]:
        return self.other.store.users()

    def set_users(self, users: Users) -> None:
        self.other.set_users(users)

    def set_password(self, user: str, stored: str | None) -> None:
        self.other.set_password(user, stored)

    def remove(self, user: str) -> None:
        self.other.remove_user(user)

    def close(self) -> None:
        self.other.close()
