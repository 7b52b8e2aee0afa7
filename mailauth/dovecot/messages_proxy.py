"""What a login process says of a user whom it passes on to another server: "proxy(USER,HOST:PORT): ...".

Of an entry that cannot be used for it 2.4 says "proxy: ...".

Source: proxy_check_start() and client_proxy_log_failure(), Dovecot 2.3.19.1 and 2.4.1
src/login-common/client-common-auth.c; login_proxy_failed(), src/login-common/login-proxy.c.
"""

from mailauth.dovecot.messages import Catalogue, LogKind, Message

_FAILED = LogKind.MAIL_FAILED

OF_A_PROXY: tuple[Message, ...] = (
    Message(LogKind.MAIL_ENDED, "Started proxying to %", "the user is passed on", "client-common-auth.c"),
    Message(LogKind.LOGIN_FAILED, "Login failed: %", "the server that the user is passed on to refuses",
            "client-common-auth.c"),
    Message(LogKind.OTHER, "Disconnected %", "", "login-proxy.c"),
    Message(_FAILED, "host not given", "the entry has the field proxy, and no host", "client-common-auth.c"),
    Message(_FAILED, "host field not given", "the entry has the field proxy, and no host",
            "client-common-auth.c"),
    Message(_FAILED, "pass field is missing",
            "the entry has the field proxy, and no password is known to send", "client-common-auth.c"),
    Message(_FAILED, "password not given", "the entry has the field proxy, and no password is known to send",
            "client-common-auth.c"),
    Message(_FAILED, "Proxying loops to itself", "the host and port of the entry are this Dovecot's own",
            "client-common-auth.c"),
    Message(_FAILED, "Invalid hostip %", "the field hostip is no address", "client-common-auth.c"),
    Message(_FAILED, "Unsupported SASL mechanism %", "the field proxy_mech has no mechanism of Dovecot's",
            "client-common-auth.c"),
    Message(_FAILED, "connect(%) failed: %", "the server that the user is passed on to cannot be reached",
            "login-proxy.c"),
    Message(_FAILED, "%", "the user is passed on to another server, and that fails", "login-proxy.c"),
)  # fmt: skip

_ROWS = Catalogue(OF_A_PROXY)


def find(what: bytes, level: str) -> Message | None:
    """The row of a line; what the login process tries again (2.4's warnings) is none."""
    who, _, said = what.partition(b": " if what.startswith(b"proxy: ") else b"): ")
    row = _ROWS.find(said) if who == b"proxy" or who.startswith(b"proxy(") else None
    return row if row and (level == "Error") == (row.kind is _FAILED) else None
