"""The 2.4 dialect: named ``passdb NAME { ... }`` blocks with everything inline.

A setting may be written in full (``passdb_sql_query``), or without the part that the block already
says (``sql_query``, ``query``); what a block leaves out is inherited from the global settings.

Source: Dovecot 2.4.1 src/config/config-parser.c; src/auth/auth-settings.c, db-passwd-file.c;
src/lib-sql/driver-{mysql,pgsql,sqlite}.c.
"""

from contextlib import suppress
from dataclasses import field

from mailauth.dovecot import clients, conf, conffiles, drivers, environment, secrets
from mailauth.dovecot.authconfig import (
    SQL_DRIVERS,
    FileSource,
    Passdb,
    Source,
    SqlSource,
    StaticSource,
    Userdb,
    who_verifies,
)
from mailauth.dovecot.defaults import default_scheme
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.statements import ambiguous
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

_VERSION = Version(2, 4, 1)


@dataclass(frozen=True, slots=True)
class Sources:
    """What doveconf says, and the files, for the lines on which the settings stand."""

    tree: conf.Block
    written: conf.Block
    dovecot: Installation
    lines: conffiles.Lines
    shared: dict[tuple[object, ...], tuple[clients.Host, ...]] = field(default_factory=dict, repr=False)

    def of(self, block: conf.Block, query: str) -> SqlSource:
        """Raises CannotObserve."""
        name = effective(self.tree, block, "sql_driver")
        if name not in SQL_DRIVERS:
            raise CannotObserve(f"{block.kind} {block.name}: mailauth does not know the SQL driver {name!r}.")
        driver = name
        if driver == "sqlite":
            hosts: tuple[clients.Host, ...] = (
                {"path": self._value(effective(self.tree, block, "sqlite_path"), "sqlite_path")},
            )
        else:
            hosts = clients.of_blocks(driver, self.tree, block, self._value)
            hosts = self.shared.setdefault(clients.shared_by(driver, self.tree, block), hosts)
        refused = "" if hosts else f"{driver} {{ .. }} named list filter is missing"
        mine = next((b for b in self.written.all(block.kind) if b.name == block.name), None)
        return SqlSource(
            driver,
            hosts,
            effective(self.tree, block, query),
            f"{block.kind} {block.name}",
            credentials=_credentials(driver, mine, self.written),
            query_place=_place(query, mine, self.written),
            userdb=block.kind == "userdb",
            refused=refused,
            cut=self._cut(driver, query, mine),
            environment=tuple(environment.given(self.tree).items()),
        )

    def _value(self, text: str, name: str) -> str:
        return secrets.value(text, name, self.tree, self.dovecot.path)

    def _cut(self, driver: str, query: str, block: conf.Block | None) -> tuple[str, ...]:
        """The lines of the driver's settings, and of the block's own, that a "#" cuts short."""
        blocks = [*self.written.all(driver), *([block] if block else [])]
        settings = [one for each in blocks for inner in each.walk() for one in inner.settings]
        shared = (one for one in self.written.settings if one.name.startswith(f"{driver}_"))
        found = [*settings, *shared, *(one for one in self.written.settings if one.name == query)]
        places = sorted({(one.file, one.line) for one in found})
        return tuple(f"{file}:{line}" for file, line in places if ambiguous(self.lines(file, line)))


def read_passdbs(
    sources: Sources, version: Version = _VERSION, at_top: frozenset[str] = frozenset()
) -> tuple[Passdb, ...]:
    """The passdbs in Dovecot's order; ``at_top``: the settings that the files have outside of all blocks."""
    tree = sources.tree
    asked = config_version(tree, version)
    use_cache = tree.get("auth_cache_size", "0").strip() not in ("", "0")
    with_worker = tree.get("auth_cache_verify_password_with_worker") == "yes"
    found = []
    for number, block in enumerate(tree.all("passdb"), 1):
        driver = effective(tree, block, "passdb_driver") or block.name
        bind = effective(tree, block, "passdb_ldap_bind") == "yes"
        how = ("bind" if bind else "lookup") if driver == "ldap" else ""
        source, problem = None, drivers.unread(driver, how).problem
        try:
            driver, source = _source(sources, block, driver)
        except CannotObserve as why:
            problem = str(why)
        own = _own(block, "passdb_default_password_scheme")
        scheme = own.value if own else ""
        if not scheme and "passdb_default_password_scheme" in at_top:
            scheme = tree.get("passdb_default_password_scheme")
        if driver == "static":
            scheme = ""  # it has its own, and takes none that is set
        worker = _own(block, "passdb_use_worker")
        miss, hit = who_verifies(
            driver,
            use_worker=effective(tree, block, "passdb_use_worker") == "yes",
            use_cache=use_cache and effective(tree, block, "passdb_use_cache") != "no",
            cache_with_worker=with_worker,
            stays="2.4" if worker is not None and worker.value == "no" else None,
        )
        found.append(
            Passdb(
                number=number,
                driver=driver,
                name=block.name,
                default_scheme=scheme.upper() or default_scheme(driver, version, asked),
                scheme_set=bool(scheme),
                source=source,
                source_problem="" if source else problem,
                verified_by=miss,
                hit_verified_by=hit,
                deny=effective(tree, block, "passdb_deny") == "yes",
                master=effective(tree, block, "passdb_master") == "yes",
                skip=effective(tree, block, "passdb_skip") or "never",
                mechanisms=" ".join(_listed(tree, block, "passdb_mechanisms_filter")),
                username_filter=effective(tree, block, "passdb_username_filter"),
                result_success=effective(tree, block, "passdb_result_success") or "return-ok",
                result_failure=effective(tree, block, "passdb_result_failure") or "continue",
                result_internalfail=effective(tree, block, "passdb_result_internalfail") or "continue",
                override_fields=_fields(block),
                # Source: ldap_default_settings_keyvalue, src/auth/db-ldap-settings.c: never with ldap
                import_all=driver != "ldap" and effective(tree, block, "passdb_fields_import_all") != "no",
                how=how,
            )
        )
    return tuple(found)


def _fields(block: conf.Block) -> tuple[tuple[str, str], ...]:
    """The ``fields { name = value }`` of a passdb or userdb."""
    kinds = ("fields", f"{block.kind}_fields")
    found = [s for inner in block.blocks if inner.kind in kinds for s in inner.settings]
    return tuple((setting.name, setting.value) for setting in found)


def read_userdbs(sources: Sources) -> tuple[Userdb, ...]:
    """The userdbs in Dovecot's order; one whose database cannot be read has no source."""
    tree = sources.tree
    found = []
    for number, block in enumerate(tree.all("userdb"), 1):
        driver = effective(tree, block, "userdb_driver") or block.name
        source: FileSource | SqlSource | None = None
        if driver == "passwd-file":
            source = FileSource(
                effective(tree, block, "passwd_file_path"), effective(tree, block, "auth_username_format")
            )
        elif driver == "sql":
            with suppress(CannotObserve):
                source = sources.of(block, "userdb_sql_query")
                driver = source.driver
        fields = tuple(s.value for inner in block.blocks for s in inner.settings if s.value)
        found.append(
            Userdb(
                number,
                driver,
                block.name,
                source,
                fields,
                sets=_fields(block),
                skip=effective(tree, block, "userdb_skip") or "never",
                result_success=effective(tree, block, "userdb_result_success") or "return-ok",
                result_failure=effective(tree, block, "userdb_result_failure") or "continue",
            )
        )
    return tuple(found)


def config_version(tree: conf.Block, version: Version) -> Version:
    """What ``dovecot_config_version`` says; the binary's version where it says nothing."""
    said = tree.get("dovecot_config_version")
    return Version.parse(said) if said and said != "0.0.0" else version


def effective(tree: conf.Block, block: conf.Block, name: str) -> str:
    """The value of setting ``name`` inside ``block``: its own, in any of its spellings, or the global one."""
    own = _own(block, name)
    return tree.get(name) if own is None else own.value


def _own(block: conf.Block, name: str) -> conf.Setting | None:
    """What the block itself has, in any spelling, or an inner block of a driver (passdb_static)."""
    for spelling in _spellings(block, name):
        if found := block.find(spelling):
            return found
    for inner in block.blocks:
        if name.startswith(f"{inner.kind}_") and (found := inner.find(name.removeprefix(f"{inner.kind}_"))):
            return found
    return None


def _listed(tree: conf.Block, block: conf.Block, name: str) -> tuple[str, ...]:
    """As ``effective``, of a list of words."""
    for spelling in _spellings(block, name):
        if block.find(spelling) or block.all(spelling):
            return conf.words(block, spelling)
    return conf.words(tree, name)


def _spellings(block: conf.Block, name: str) -> list[str]:
    own = block.name.replace("-", "_")
    prefixes = ("", f"{block.kind}_", f"{block.kind}_{own}_", f"{own}_")
    return [name.removeprefix(prefix) for prefix in prefixes]


def _source(sources: Sources, block: conf.Block, driver: str) -> tuple[str, Source | None]:
    """The driver that does the work, and where to look."""
    tree = sources.tree
    if driver == "passwd-file":
        return driver, FileSource(
            effective(tree, block, "passwd_file_path"), effective(tree, block, "auth_username_format")
        )
    if driver == "static":
        return driver, StaticSource(effective(tree, block, "passdb_static_password") or None)
    if driver != "sql":
        return driver, None
    source = sources.of(block, "passdb_sql_query")
    return source.driver, source


def _credentials(driver: str, block: conf.Block | None, written: conf.Block) -> str:
    """File and line of the first server's block, or of SQLite's path."""
    if driver == "sqlite":
        return _place("sqlite_path", block, written)
    found = [server for scope in (block, written) if scope for server in scope.all(driver)]
    return f"{found[0].file}:{found[0].line}" if found else ""


def _place(name: str, block: conf.Block | None, written: conf.Block) -> str:
    found = _own(block, name) if block else None
    found = found or written.find(name)
    return found.place if found else ""
