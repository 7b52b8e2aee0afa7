"""What 2.4 calls the settings of 2.3, and the reverse.  A table; needs no running Dovecot.

``in_24("passdb", "args")`` says what became of a 2.3 setting, ``in_23("", "auth_default_domain")`` what
2.3 called a 2.4 one.  Only names that the other version refuses are here.

Source: the upgrade guide "2.3 to 2.4" of Dovecot's documentation (Converted settings, Removed settings,
section naming), and where it says nothing the settings that src/auth/auth-settings.c,
src/auth/db-{sql,passwd-file,ldap}*.c, src/lib-sql/driver-*.c, src/lib-ssl-iostream/ssl-settings.c,
src/lib-storage/mail-storage-settings.c and src/lib-master/service-settings.c of 2.3.19.1 and 2.4.1
define.  tests/dovecot/test_renamed.py holds the table to what the doveconf of each version takes.
"""

from typing import Literal

from mailauth.records import dataclass

# "": the file's top level (and protocol, local, remote blocks); "sql": 2.3's dovecot-sql.conf.ext; "plugin":
# 2.3's plugin { }, whose settings stand at the top level in 2.4
Scope = Literal["", "passdb", "userdb", "service", "sql", "plugin"]
# How a value is carried over: as it is, yes <-> no, with or without the "<" that reads a file, or by hand
Change = Literal["same", "not", "file", "hand"]


@dataclass(frozen=True, slots=True)
class Renamed:
    """One setting of 2.3 (``old``) and what does its work in 2.4 (``new``; "" where nothing does)."""

    scope: Scope
    old: str
    new: str
    change: Change = "same"
    note: str = ""

    @property
    def said(self) -> str:
        """What became of it, in words."""
        what = f"it is {self.new} in 2.4" if self.new else "2.4 has no such setting"
        return f"{what} ({self.note})" if self.note else what


def _rows(scope: Scope, change: Change, text: str) -> tuple[Renamed, ...]:
    found = []
    for line in text.strip().splitlines():
        old, new, note = (part.strip() for part in (line + "||").split("|")[:3])
        found.append(Renamed(scope, old, new, change, note))
    return tuple(found)


RENAMED: tuple[Renamed, ...] = (
    *_rows(
        "",
        "same",
        """
        auth_default_realm | auth_default_domain
        ssl_cert_username_field | ssl_server_cert_username_field
        ssl_key_password | ssl_server_key_password
        ssl_prefer_server_ciphers | ssl_server_prefer_ciphers
        ssl_require_crl | ssl_server_require_crl
        ssl_verify_client_cert | ssl_server_request_client_cert
        default_idle_kill | default_idle_kill_interval
        mail_attachment_dir | mail_ext_attachment_path
        mail_attachment_hash | mail_ext_attachment_hash
        mail_attachment_min_size | mail_ext_attachment_min_size
        """,
    ),
    *_rows(
        "plugin",
        "same",
        """
        acl_anyone | imap_acl_allow_anyone
        lazy_expunge | lazy_expunge_mailbox
        quota_grace | quota_storage_grace
        quota_max_mail_size | quota_mail_size
        fts_index_timeout | fts_search_timeout
        """,
    ),
    *_rows(
        "plugin",
        "hand",
        "quota | quota NAME { quota_driver }\nquota_rule | quota_storage_size | and quota_message_count",
    ),
    *_rows("", "not", "disable_plaintext_auth | auth_allow_cleartext"),
    *_rows(
        "",
        "file",
        """
        ssl_cert | ssl_server_cert_file
        ssl_key | ssl_server_key_file
        ssl_alt_cert | ssl_server_alt_cert_file
        ssl_alt_key | ssl_server_alt_key_file
        ssl_dh | ssl_server_dh_file
        ssl_client_cert | ssl_client_cert_file
        ssl_client_key | ssl_client_key_file
        """,
    ),
    *_rows(
        "",
        "hand",
        """
        ssl_ca | ssl_server_ca_file | and ssl_client_ca_file
        mail_location | mail_driver and mail_path | with mail_inbox_path, mail_index_path and so on
        auth_worker_max_count | service auth-worker { process_limit }
        verbose_ssl | log_debug = category=ssl
        auth_stats |  |
        auth_policy_server_timeout_msecs | auth_policy { http_client_request_timeout }
        auth_proxy_self | auth_proxy_self
        login_access_sockets |  | passdb lua does its work
        imap_id_log |  | the event imap_id_received does its work
        doveadm_http_rawlog_dir | doveadm { http_client_rawlog_dir }
        stats_http_rawlog_dir | stats_server { http_client_rawlog_dir }
        mail_attribute_dict | mail_attribute { dict }
        mail_attachment_fs | mail_ext_attachment { fs }
        plugin |  | its settings stand at the top level
        dict_db_config |  |
        """,
    ),
    *_rows(
        "passdb",
        "hand",
        """
        args | passwd_file_path, query, pam_service_name, static_password and so on | by driver
        default_fields | fields { }
        override_fields | fields { }
        """,
    ),
    *_rows("passdb", "same", "mechanisms | mechanisms_filter"),
    *_rows("passdb", "hand", "pass | result_success = continue"),
    *_rows(
        "userdb",
        "hand",
        """
        args | passwd_file_path, query or fields { } | by driver
        default_fields | fields { }
        override_fields | fields { }
        """,
    ),
    *_rows(
        "service",
        "same",
        "idle_kill | idle_kill_interval\nservice_count | restart_request_count",
    ),
    *_rows(
        "sql",
        "hand",
        """
        driver | sql_driver
        connect | mysql HOST { }, pgsql HOST { } or sqlite_path
        password_query | passdb sql { query }
        user_query | userdb sql { query }
        update_query | passdb sql { update_query }
        iterate_query | userdb sql { iterate_query }
        default_pass_scheme | passdb sql { default_password_scheme }
        """,
    ),
)

# What 2.4 has and 2.3 refuses, where it is not the plain reverse of the table above.
_ONLY_24: tuple[Renamed, ...] = (
    *_rows(
        "",
        "hand",
        """
        mail_location | mail_driver
        mail_location | mail_path
        mail_location | mail_inbox_path
        mail_location | mail_index_path
        mail_location | mail_control_path
        | dovecot_config_version
        | dovecot_storage_version
        | auth_allow_weak_schemes
        | auth_internal_failure_delay
        | sql_driver | it stands in dovecot-sql.conf.ext as driver
        | sqlite_path | it stands in dovecot-sql.conf.ext in connect
        | mysql | it stands in dovecot-sql.conf.ext in connect
        | pgsql | it stands in dovecot-sql.conf.ext in connect
        | passdb_default_password_scheme
        | passwd_file_path
        """,
    ),
    *_rows(
        "passdb",
        "hand",
        """
        args | passwd_file_path
        args | passdb_sql_query
        args | sql_query
        args | query
        args | passdb_static_password
        args | static_password
        args | password
        args | passdb_pam_service_name
        args | default_password_scheme
        args | passdb_default_password_scheme
        override_fields | fields
        args | use_worker
        args | passdb_use_worker
        """,
    ),
    *_rows(
        "userdb",
        "hand",
        """
        args | passwd_file_path
        args | userdb_sql_query
        args | sql_query
        args | query
        override_fields | fields
        """,
    ),
)


def in_24(scope: Scope, name: str) -> Renamed | None:
    """What became of a 2.3 setting that 2.4 refuses; None where 2.4 takes it, or nothing is known."""
    scopes = _scopes(scope)
    return next((row for row in RENAMED if row.scope in scopes and row.old == name != row.new), None)


def in_23(scope: Scope, name: str) -> Renamed | None:
    """What 2.3 called a 2.4 setting that it refuses; None where 2.3 takes it, or nothing is known."""
    scopes = _scopes(scope)
    for row in (*RENAMED, *_ONLY_24):
        if row.scope in scopes and row.new == name != row.old:
            return row
    return None


def _scopes(scope: Scope) -> tuple[Scope, ...]:
    """A plugin's settings may have been written at the top level, as 2.4 has them."""
    return ("", "plugin") if scope == "" else (scope,)
