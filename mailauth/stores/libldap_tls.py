"""libldap's settings of TLS.

Source: ldap.h of OpenLDAP 2.5.13 and 2.6.10; ldap_set_option(3).
"""

import ctypes

_REQUIRE = {"never": 0, "hard": 1, "demand": 2, "allow": 3, "try": 4}
_OPT_REQUIRE_CERT = 0x6006
_TLS = {
    "tls_ca_cert_file": 0x6002,
    "tls_ca_cert_dir": 0x6003,
    "tls_cert_file": 0x6004,
    "tls_key_file": 0x6005,
    "tls_cipher_suite": 0x6008,
}


def set_tls(library: ctypes.CDLL, tls: tuple[tuple[str, str], ...]) -> None:
    """Globally, as Dovecot 2.3 does; this process is one of our own that asks no other."""
    for name, value in tls:
        if name in _TLS:
            library.ldap_set_option(None, _TLS[name], value.encode("utf-8", "surrogateescape"))
        else:
            required = ctypes.byref(ctypes.c_int(_REQUIRE.get(value, 2)))
            library.ldap_set_option(None, _OPT_REQUIRE_CERT, required)
