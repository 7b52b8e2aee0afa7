"""Users that a Lua script looks up."""

from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, block, lines, put

_SCRIPT = """\
-- Asked for each login; it reads the file again, so that a change counts at once.
function auth_passdb_lookup(request)
  for line in io.lines("{file}") do
    local user, stored = line:match("^(.-):(.*)$")
    if user == request.user then
      return dovecot.auth.PASSDB_RESULT_OK, {{ password = stored }}
    end
  end
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""
end
"""


class Lua(Written):
    """Lines of ``user:stored`` beside a script that returns the stored string."""

    driver = "lua"

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._group = site.group
        self._file = site.folder / "lua-users"
        self.path = site.folder / "passdb.lua"
        self.place = LabPlace(path=self.path)
        put(self.path, _SCRIPT.format(file=self._file), site.group)

    def passdb(self, wish: Wish) -> Passdb:
        script = f"args = file={self.path}" if wish.dialect == "2.3" else f"lua_file = {self.path}"
        return Passdb(block(self.driver, wish, script))

    def _write(self, users: Users) -> None:
        put(self._file, lines(users), self._group)
