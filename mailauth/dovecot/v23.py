"""The 2.3 dialect: ``passdb { driver args }`` blocks, SQL settings in a file of their own.

Source: Dovecot 2.3.19.1 src/auth/passdb-passwd-file.c, passdb-sql.c, db-sql.c,
src/lib-sql/driver-{mysql,pgsql,sqlite}.c.
"""

from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import clients, conf, conffiles, drivers, sqlfile
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
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve

_VERSION = Version(2, 3, 19, 1)
_DEFAULT_USER_QUERY = "SELECT home, uid, gid FROM users WHERE username = '%n' AND domain = '%d'"
_DEFAULT_QUERY = "SELECT username, domain, password FROM users WHERE username = '%n' AND domain = '%d'"


def read_passdbs(
    tree: conf.Block, dovecot: Installation, dovecot_version: Version = _VERSION
) -> tuple[Passdb, ...]:
    """The passdbs in Dovecot's order."""
    use_cache = tree.get("auth_cache_size", "0").strip() not in ("", "0")
    with_worker = tree.get("auth_cache_verify_password_with_worker") == "yes"
    found = []
    for number, block in enumerate(tree.all("passdb"), 1):
        driver, args = block.get("driver"), block.get("args")
        ldap = _ldap(args, dovecot) if driver == "ldap" else None
        how = ("bind" if _is_on(ldap, "auth_bind") else "lookup") if ldap else ""
        scheme, source, problem = "", None, drivers.unread(driver, how).problem
        set_scheme = ldap.get("default_pass_scheme") if ldap else ""
        try:
            driver, scheme, source = _source(tree, driver, args, dovecot)
        except CannotObserve as why:
            problem = str(why)
        scheme = scheme or set_scheme
        miss, hit = who_verifies(
            driver,
            use_worker="blocking=yes" in args.split() or _is_on(ldap, "blocking"),
            use_cache=use_cache,
            cache_with_worker=with_worker,
            stays="2.3" if "blocking=no" in args.split() else None,
        )
        found.append(
            Passdb(
                number=number,
                driver=driver,
                name=block.get("name"),
                default_scheme=scheme.upper() or default_scheme(driver, dovecot_version),
                scheme_set=bool(scheme),
                source=source,
                source_problem="" if source else problem,
                verified_by=miss,
                hit_verified_by=hit,
                deny=block.get("deny") == "yes",
                master=block.get("master") == "yes",
                skip=block.get("skip", "never"),
                mechanisms=block.get("mechanisms"),
                username_filter=block.get("username_filter"),
                # Source: auth_passdb_preinit(), src/auth/auth.c
                result_success="continue"
                if block.get("pass") == "yes"
                else block.get("result_success", "return-ok"),
                result_failure=block.get("result_failure", "continue"),
                result_internalfail=block.get("result_internalfail", "continue"),
                default_fields=_fields(block.get("default_fields")),
                override_fields=_fields(block.get("override_fields")),
                how=how,
            )
        )
    return tuple(found)


def _ldap(args: str, dovecot: Installation) -> conf.Block | None:
    """The settings of src/auth/db-ldap.c, in the file that args names; None where it cannot be read."""
    try:
        return conffiles.read(Path(args), dovecot.path)
    except CannotObserve:
        return None


def _is_on(file: conf.Block | None, name: str) -> bool:
    """Whether the file says so: none of its own is on by default."""
    return file is not None and file.get(name).lower() == "yes"


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    """``name=value name=value``."""
    words = (word.partition("=") for word in text.split())
    return tuple((name, value) for name, _, value in words)


def read_userdbs(tree: conf.Block, dovecot: Installation) -> tuple[Userdb, ...]:
    """The userdbs in Dovecot's order; one whose SQL file cannot be read has no source."""
    found = []
    for number, block in enumerate(tree.all("userdb"), 1):
        driver, args = block.get("driver"), block.get("args")
        source: FileSource | SqlSource | None = None
        fields: tuple[str, ...] = (args,) if driver == "static" else ()
        if driver == "passwd-file":
            options, path = _passwd_file_args(args)
            source = FileSource(path, options.get("username_format", "%u"))
        elif driver == "sql":
            with suppress(CannotObserve):
                file = _sql_file(tree, args, dovecot)
                source = _sql_source(file, args, "user_query", _DEFAULT_USER_QUERY)
                driver = source.driver
        fields += (block.get("default_fields"), block.get("override_fields"))
        own = args if driver == "static" else ""
        sets = (block.get("default_fields"), own, block.get("override_fields"))
        found.append(
            Userdb(
                number,
                driver,
                block.get("name"),
                source,
                tuple(f for f in fields if f),
                sets=tuple(one for text in sets for one in _fields(text)),
                skip=block.get("skip", "never"),
                result_success=block.get("result_success", "return-ok"),
                result_failure=block.get("result_failure", "continue"),
            )
        )
    return tuple(found)


def _source(
    tree: conf.Block, driver: str, args: str, dovecot: Installation
) -> tuple[str, str, Source | None]:
    """The driver that does the work, the default scheme if one is set, and where to look."""
    if driver == "passwd-file":
        options, path = _passwd_file_args(args)
        return driver, options.get("scheme", ""), FileSource(path, options.get("username_format", "%u"))
    if driver == "static":
        fields = dict(word.partition("=")[::2] for word in args.split())
        return driver, "", StaticSource(fields.pop("password", None), tuple(fields.items()))
    if driver == "lua":  # src/auth/passdb-lua.c
        options = dict(word.partition("=")[::2] for word in args.split())
        return driver, options.get("scheme", ""), None
    if driver != "sql":
        return driver, "", None
    file = _sql_file(tree, args, dovecot)
    sql = _sql_source(file, args, "password_query", _DEFAULT_QUERY)
    return sql.driver, file.get("default_pass_scheme"), sql


def _sql_file(tree: conf.Block, path: str, dovecot: Installation) -> sqlfile.SqlFile:
    """Raises CannotObserve, also for a driver that mailauth does not know."""
    file = sqlfile.read(path, dovecot.path, tree)
    if file.refused:
        raise CannotObserve(
            f"{file.refused} is no setting (name = value), and no line before it ends in a backslash to go on"
            " with it: Dovecot does not take the file."
        )
    if file.get("driver") not in SQL_DRIVERS:
        raise CannotObserve(f"{path}: mailauth does not know the SQL driver {file.get('driver')!r}.")
    return file


def _sql_source(file: sqlfile.SqlFile, path: str, query: str, default: str) -> SqlSource:
    driver = file.get("driver")
    try:
        hosts, refused = clients.of_connect(driver, file.get("connect")), ""
    except clients.ConnectError as why:
        hosts, refused = (), str(why)
    return SqlSource(
        driver,
        hosts,
        file.get(query, default),
        path,
        credentials=file.place("connect", path),
        query_place=file.place(query, path),
        earlier=file.earlier(query),
        userdb=query == "user_query",
        refused=refused,
        cut=file.cut,
        environment=file.environment,
    )


def _passwd_file_args(args: str) -> tuple[dict[str, str], str]:
    """``scheme=X username_format=Y /path``: the options end where a word begins with a slash."""
    options: dict[str, str] = {}
    rest = args
    while rest and not rest.startswith("/"):
        word, _, rest = rest.partition(" ")
        key, _, value = word.partition("=")
        options[key] = value
    return options, rest
