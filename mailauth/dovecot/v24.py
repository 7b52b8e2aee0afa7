"""The 2.4 dialect: named ``passdb NAME { ... }`` blocks with everything inline.

A setting may be written in full (``passdb_sql_query``), or without the part that the block already
says (``sql_query``, ``query``); what a block leaves out is inherited from the global settings.

Source: Dovecot 2.4.1 src/config/config-parser.c; src/auth/auth-settings.c, db-passwd-file.c;
src/lib-sql/driver-{mysql,pgsql,sqlite}.c.
"""

from mailauth.dovecot import conf, drivers
from mailauth.dovecot.authconfig import (
    SQL_DRIVERS,
    FileSource,
    Passdb,
    Source,
    SqlDriver,
    SqlSource,
    StaticSource,
    Userdb,
    who_verifies,
)
from mailauth.dovecot.defaults import default_scheme
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve

_VERSION = Version(2, 4, 1)


def read_passdbs(
    tree: conf.Block, version: Version = _VERSION, at_top: frozenset[str] = frozenset()
) -> tuple[Passdb, ...]:
    """The passdbs in Dovecot's order; ``at_top``: the settings that the files have outside of all blocks."""
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
            driver, source = _source(tree, block, driver)
        except CannotObserve as why:
            problem = str(why)
        scheme = _own(block, "passdb_default_password_scheme") or (
            tree.get("passdb_default_password_scheme") if "passdb_default_password_scheme" in at_top else ""
        )
        if driver == "static":
            scheme = ""  # it has its own, and takes none that is set
        miss, hit = who_verifies(
            driver,
            use_worker=effective(tree, block, "passdb_use_worker") == "yes",
            use_cache=use_cache and effective(tree, block, "passdb_use_cache") != "no",
            cache_with_worker=with_worker,
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
                import_all=effective(tree, block, "passdb_fields_import_all") != "no",
                how=how,
            )
        )
    return tuple(found)


def _fields(block: conf.Block) -> tuple[tuple[str, str], ...]:
    """The ``fields { name = value }`` of a passdb or userdb."""
    kinds = ("fields", f"{block.kind}_fields")
    found = [s for inner in block.blocks if inner.kind in kinds for s in inner.settings]
    return tuple((setting.name, setting.value) for setting in found)


def read_userdbs(tree: conf.Block) -> tuple[Userdb, ...]:
    """The userdbs in Dovecot's order."""
    found = []
    for number, block in enumerate(tree.all("userdb"), 1):
        driver = effective(tree, block, "userdb_driver") or block.name
        source: FileSource | SqlSource | None = None
        if driver == "passwd-file":
            source = FileSource(
                effective(tree, block, "passwd_file_path"), effective(tree, block, "auth_username_format")
            )
        elif driver == "sql":
            name = SQL_DRIVERS.get(effective(tree, block, "sql_driver"))
            driver = name or driver
            if name:
                query = effective(tree, block, "userdb_sql_query")
                source = SqlSource(name, (), query, f"userdb {block.name}")
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
    return tree.get(name) if own is None else own


def _own(block: conf.Block, name: str) -> str | None:
    """The value that the block itself has, in any spelling, or an inner block of a driver (passdb_static)."""
    for spelling in _spellings(block, name):
        if found := block.find(spelling):
            return found.value
    for inner in block.blocks:
        if name.startswith(f"{inner.kind}_") and (found := inner.find(name.removeprefix(f"{inner.kind}_"))):
            return found.value
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


def _source(tree: conf.Block, block: conf.Block, driver: str) -> tuple[str, Source | None]:
    """The driver that does the work, and where to look."""
    if driver == "passwd-file":
        return driver, FileSource(
            effective(tree, block, "passwd_file_path"), effective(tree, block, "auth_username_format")
        )
    if driver == "static":
        return driver, StaticSource(effective(tree, block, "passdb_static_password") or None)
    if driver != "sql":
        return driver, None
    name = effective(tree, block, "sql_driver")
    if name not in SQL_DRIVERS:
        raise CannotObserve(f"passdb {block.name}: mailauth does not know the SQL driver {name!r}.")
    sql = SQL_DRIVERS[name]
    query = effective(tree, block, "passdb_sql_query")
    return sql, SqlSource(sql, _hosts(tree, block, sql), query, f"passdb {block.name}")


def _hosts(tree: conf.Block, block: conf.Block, driver: SqlDriver) -> tuple[dict[str, str], ...]:
    """The servers: ``mysql HOST { ... }`` blocks, in the passdb first, else the global ones."""
    if driver == "sqlite":
        return ({"path": effective(tree, block, "sqlite_path")},)
    found = []
    for server in block.all(driver) or tree.all(driver):
        one = {s.name.removeprefix(f"{driver}_"): s.value for s in server.settings}
        for parameters in server.blocks:
            one |= {s.name: s.value for s in parameters.settings}
        inherited = {
            s.name.removeprefix(f"{driver}_"): s.value
            for s in tree.settings
            if s.name.startswith(f"{driver}_") and s.value
        }
        merged = {**inherited, "host": server.name, **one}
        merged.pop("connection_limit", None)  # Dovecot's own, not the server's
        found.append(merged)
    return tuple(found)
