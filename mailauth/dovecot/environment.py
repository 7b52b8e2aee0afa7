"""The environment that Dovecot gives its processes, as far as its configuration says it."""

from mailauth.dovecot.authconfig import AuthConfig


def environment(config: AuthConfig) -> dict[str, str]:
    """``env:NAME`` for each variable that import_environment sets; "env:" where these are all there are.

    A name without a value comes from whoever started Dovecot, which is not known here.
    Source: Dovecot 2.3.19.1 and 2.4.1 src/master/master-settings.c (import_environment), service-process.c.
    """
    inner = [block for block in config.tree.blocks if block.kind == "import_environment"]
    words = [f"{s.name}={s.value}" if s.value else s.name for block in inner for s in block.settings]
    words += config.tree.get("import_environment").split()
    pairs = [word.partition("=") for word in words]
    found = {f"env:{name}": value for name, equals, value in pairs if equals}
    handed_on = {name for name, equals, _ in pairs if not equals and name not in _USUAL}
    return found if handed_on else found | {"env:": ""}


# Dovecot's default: what these hold is in nobody's query
_USUAL = frozenset(
    {
        *("TZ", "CORE_OUTOFMEM", "CORE_ERROR", "LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET"),
        *("SSLKEYLOGFILE", "MALLOC_MMAP_THRESHOLD_", "PATH"),
    }
)
