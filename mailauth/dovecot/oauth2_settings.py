"""How Dovecot has a token judged: the oauth2 settings of both dialects in one form.

Source: src/auth/db-oauth2.c of Dovecot 2.3.19.1 (setting_defs, default_oauth2_settings, db_oauth2_init()) and
2.4.1 (auth_oauth2_setting_defines); what changed with 2.3.21 is db_oauth2_user_is_enabled(),
db_oauth2_token_in_scope() and oauth2_jwt_body_process().
"""

from collections.abc import Callable

from mailauth.dovecot import conf, sqlfile
from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.oauth2 import OAuth2, Trust
from mailauth.dovecot.v24 import effective
from mailauth.errors import CannotObserve

_CHANGED = (2, 3, 21)  # since then as 2.4
_ANY_BEGINNING_SINCE = (2, 3, 17)
_GRACE_SINCE = (2, 4, 2)  # token_expire_grace, and a second for clocks that differ
_DECIDE = frozenset(
    {"nologin", "allow_nets", "allow_real_nets", "fail", "user", "username", "domain", "proxy"}
)


def read(config: AuthConfig, passdb: Passdb, dovecot: Installation) -> OAuth2:
    """Raises CannotObserve where the settings cannot be read, or something else has a say."""
    if config.version.dialect == "2.3":
        args = config.tree.all("passdb")[passdb.number - 1].get("args")
        return _of_23(config, args, dovecot)
    return _of_24(config)


def _of_23(config: AuthConfig, place: str, dovecot: Installation) -> OAuth2:
    file = sqlfile.read(place, dovecot.path, config.tree)
    changed = config.version.numbers >= _CHANGED
    if file.get("use_grant_password") == "yes":
        raise CannotObserve(
            f"{place}: use_grant_password = yes takes a password to the server, and no token."
        )
    _check_fields(place, tuple(one.partition("=")[0] for one in file.get("pass_attrs").split()))
    keys = file.get("local_validation_key_dict")
    return _made(
        config,
        place,
        file.get,
        mode=file.get("introspection_mode") or "auth",
        username_format=file.get("username_format", "%Lu"),
        active=(
            file.get("active_attribute", "" if changed else "active"),
            file.get("active_value", "" if changed else "true"),
        ),
        lists=(tuple(file.get("scope").split()), tuple(file.get("issuers").split())),
        keys=keys.partition("prefix=")[2] if keys.startswith("fs:posix:") else "",
        trust=trust_of_23(file),
    )


def _of_24(config: AuthConfig) -> OAuth2:
    tree = config.tree
    own = next(iter(tree.all("oauth2")), None)
    place = "the block oauth2" if own else f"the settings oauth2_* of {config.file}"

    def get(name: str, default: str = "") -> str:
        return _in_24(tree, own, f"oauth2_{name}") or default

    def general(name: str) -> str:
        return effective(tree, own or conf.parse(""), name)

    if general("http_client_proxy_url") or general("http_client_proxy_socket_path"):
        raise CannotObserve(
            f"{place}: the endpoint is asked through an HTTP proxy; a login shows what it says."
        )
    outer = own or tree
    _check_fields(place, tuple(one.name for block in outer.all("fields") for one in block.settings))
    return _made(
        config,
        place,
        get,
        mode=get("introspection_mode"),
        username_format=get("username_validation_format", "%{user}"),
        active=(get("active_attribute"), get("active_value")),
        lists=(_listed(tree, own, "oauth2_scope"), _listed(tree, own, "oauth2_issuers")),
        keys=keys_folder(outer),
        trust=trust_of_24(tree, own),
    )


def trust_of_23(file: sqlfile.SqlFile) -> Trust:
    """Of the file that a passdb oauth2 names."""
    any_one = file.get("tls_allow_invalid_cert") == "yes"
    return Trust(file.get("tls_ca_cert_file").removeprefix("<"), file.get("tls_ca_cert_dir"), any_one)


def trust_of_24(tree: Block, own: Block | None) -> Trust:
    """``own``: the block oauth2, where there is one."""
    inside = own or conf.parse("")
    file, folder = (effective(tree, inside, f"ssl_client_ca_{name}") for name in ("file", "dir"))
    any_one = effective(tree, inside, "ssl_client_require_valid_cert") == "no"
    return Trust(file.removeprefix("<"), folder, any_one)


def _made(
    config: AuthConfig,
    place: str,
    get: Callable[[str, str], str],
    *,
    mode: str,
    username_format: str,
    active: tuple[str, str],
    lists: tuple[tuple[str, ...], tuple[str, ...]],
    keys: str,
    trust: Trust,
) -> OAuth2:
    tokeninfo, introspection = get("tokeninfo_url", ""), get("introspection_url", "")
    if "%{" in tokeninfo + introspection:
        raise CannotObserve(f"{place}: a URL in it has a variable; a login shows what it comes to.")
    return OAuth2(
        config.version.dialect,
        place,
        mode,
        config.version.numbers >= _CHANGED,
        tokeninfo,
        introspection,
        get("force_introspection", "no") == "yes",
        get("client_id", ""),
        get("client_secret", ""),
        username_format,
        get("username_attribute", "email"),
        *active,
        *lists,
        keys,
        trust,
        60 if config.version.numbers >= _GRACE_SINCE else 0,
        config.version.numbers < _ANY_BEGINNING_SINCE,
        1 if config.version.numbers >= _GRACE_SINCE else 0,
    )


def _check_fields(place: str, names: tuple[str, ...]) -> None:
    """Raises CannotObserve where a field that comes with the token decides the login, too."""
    if found := sorted(_DECIDE.intersection(names)):
        raise CannotObserve(
            f"{place} sets {', '.join(found)} from the token; a login shows what comes of it."
        )


def _in_24(tree: Block, own: Block | None, name: str) -> str:
    """Inside the block, in either spelling, else outside."""
    for spelling in (name, name.removeprefix("oauth2_")):
        if own and (found := own.find(spelling)):
            return found.value
    return tree.get(name)


def _listed(tree: Block, own: Block | None, name: str) -> tuple[str, ...]:
    for spelling in (name, name.removeprefix("oauth2_")):
        if own and (own.find(spelling) or own.all(spelling)):
            return conf.words(own, spelling)
    return conf.words(tree, name)


def keys_folder(outer: Block) -> str:
    """The folder of oauth2_local_validation's dict, where it is one of files; "" for any other."""
    for inner in outer.walk():
        if inner.kind in ("oauth2_local_validation", "local_validation"):
            for one in inner.walk():
                if one.kind in ("fs", "fs_posix") and one.get("prefix"):
                    return one.get("prefix")
                if found := one.get("fs_posix_prefix"):
                    return found
    return ""
