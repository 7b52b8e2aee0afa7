"""What auth says of the servers, files and programs that it asks: databases, LDAP, PAM, Lua and others.

A row of LogKind.FAILED ends one login; one of LogKind.BACKEND concerns the server, whoever logs in.
Source: Dovecot 2.3.19.1 and 2.4.1, src/auth, src/lib-sql, src/lib-dict; the file is named in each row.
"""

from collections.abc import Iterator

from mailauth.dovecot.messages import LogKind, Message, Why

_FAILED, _BACKEND, _OTHER = LogKind.FAILED, LogKind.BACKEND, LogKind.OTHER

_LDAP = (
    Message(_BACKEND, "Connection lost to LDAP server, reconnecting",
            "the LDAP server closed the connection, and auth connects again", "db-ldap.c"),
    Message(_BACKEND, "Can't connect to server: %", "nothing answers at the LDAP server's address",
            "db-ldap.c"),
    Message(_BACKEND, "binding failed (dn %): %", "the LDAP server refuses Dovecot's own bind", "db-ldap.c"),
    Message(_BACKEND, "Initial binding to LDAP server timed out", "the LDAP server does not answer",
            "db-ldap.c"),
    Message(_BACKEND, "ldap_start_tls_s() failed: %", "no TLS with the LDAP server", "db-ldap.c"),
    Message(_BACKEND, "LDAP connection appears to be hanging%", "the LDAP server does not answer",
            "db-ldap.c"),
    Message(_BACKEND, "ldap_result() failed: %", "the connection to the LDAP server broke", "db-ldap.c"),
    Message(_BACKEND, "Can't get error number: %", "the LDAP library failed", "db-ldap.c"),
    Message(_BACKEND, "Reply with un%", "the LDAP server answers nonsense", "db-ldap.c"),
    Message(_BACKEND, "ldap_sasl_interactive_bind%", "the LDAP server refuses Dovecot's own bind",
            "db-ldap.c"),
    Message(_FAILED, "Aborting (timeout), we're not connected to LDAP server",
            "Dovecot has no connection to the LDAP server", "db-ldap.c", Why.SERVER),
    Message(_FAILED, "Aborting (%", "the LDAP request was given up", "db-ldap.c", Why.SERVER),
    Message(_FAILED, "LDAP search returned multiple entries", "the LDAP filter matches several entries",
            "db-ldap.c", Why.SERVER),
    Message(_FAILED, "pass_filter matched multiple objects, aborting",
            "the LDAP filter matches several entries",
            "passdb-ldap.c", Why.SERVER),
    Message(_FAILED, "user_filter matched multiple objects, aborting",
            "the LDAP filter matches several entries",
            "userdb-ldap.c", Why.SERVER),
    Message(_FAILED, "passdb_ldap_filter matched multiple objects, aborting",
            "the LDAP filter matches several entries", "2.4 passdb-ldap.c", Why.SERVER),
    Message(_FAILED, "userdb_ldap_filter matched multiple objects, aborting",
            "the LDAP filter matches several entries", "2.4 userdb-ldap.c", Why.SERVER),
    Message(_FAILED, "ldap_search%failed: %", "the LDAP server refuses the search", "db-ldap.c", Why.SERVER),
    Message(_FAILED, "ldap_search%parsing failed: %", "the LDAP filter is malformed", "db-ldap.c",
            Why.SERVER),
    Message(_FAILED, "ldap_bind%failed: %", "the LDAP server refuses the user's bind", "passdb-ldap.c",
            Why.SERVER),
    Message(_FAILED, "ldap_sasl_bind%failed: %", "the LDAP server refuses the user's bind",
            "2.4 passdb-ldap.c", Why.SERVER),
    Message(_OTHER, "Invalid attrs entry: %", "", "db-ldap.c"),
    Message(_OTHER, "iterate: %", "", "userdb-ldap.c"),
)  # fmt: skip

# How the client libraries of PostgreSQL, MariaDB and MySQL, and Dovecot itself, say that the server is away:
# fe-misc.c and fe-exec.c of libpq, errmsg.c of libmariadb; sql-api.c.  Whatever else stands there the
# database has answered.
_AWAY = (
    "Not connected%",
    "Cannot connect to database%",
    "%erver closed the connection%",
    "%no connection to the server%",
    "%terminating connection%",
    "%gone away%",
    "%Lost connection%",
    "%imed out%",
)


def _failed_queries(head: str, what: str, source: str) -> Iterator[Message]:
    for words in _AWAY:
        yield Message(_FAILED, head + words, f"the database does not answer {what}", source, Why.SERVER)
    yield Message(_FAILED, f"{head}%", f"the database answers {what} with an error", source, Why.SERVER)


_REFUSED = "the database was reached, and refuses Dovecot's account"
_SQL = (
    Message(_BACKEND, "Connect failed to database%Access denied for user %", _REFUSED, "driver-mysql.c"),
    Message(_BACKEND, "Connect failed to database%password authentication failed for user %", _REFUSED,
            "driver-pgsql.c"),
    Message(_BACKEND, "Connect failed to database%no pg_hba.conf entry for %", _REFUSED, "driver-pgsql.c"),
    Message(_BACKEND, "Connect failed to database%", "the database cannot be reached", "driver-mysql.c"),
    Message(_BACKEND, "Connect failed: %", "the database cannot be reached", "driver-pgsql.c"),
    Message(_BACKEND, "open(%) failed: %", "the database's file cannot be opened", "driver-sqlite.c"),
    Message(_BACKEND, "PQsetnonblocking() failed", "the database cannot be reached", "driver-pgsql.c"),
    Message(_BACKEND, "Query failed, aborting: %!", "the database is down, or reports an error",
            "driver-sqlpool.c"),
    Message(_OTHER, "Query failed, retrying: %!", "", "driver-sqlpool.c"),
    Message(_OTHER, "Disconnected from database, retrying commit", "", "driver-mysql.c"),
    Message(_OTHER, "DNS lookup took %", "", "driver-pgsql.c"),
    Message(_OTHER, "finalize failed: %", "", "driver-sqlite.c"),
    *_failed_queries("Password query failed: ", "Dovecot's query", "passdb-sql.c"),
    Message(_FAILED, "Password query must return a field named 'password'", "the query returns no password",
            "passdb-sql.c", Why.SERVER),
    Message(_FAILED, "Password query returned multiple matches", "the query returns several rows",
            "passdb-sql.c", Why.SERVER),
    *_failed_queries("User query failed: ", "the userdb's query", "userdb-sql.c"),
    Message(_OTHER, "Set credentials query failed: %!", "", "passdb-sql.c"),
    Message(_OTHER, "sql: Iterate query %", "", "userdb-sql.c"),
    Message(_OTHER, "sql: Ignoring changed %", "", "db-sql.c"),
)  # fmt: skip

_FILES = (
    Message(_FAILED, "missing passwd file: %", "the passwd-file is not there", "db-passwd-file.c",
            Why.UNKNOWN),
    Message(_FAILED, "stat(%) failed: %", "the passwd-file may not be read", "db-passwd-file.c", Why.SERVER),
    Message(_FAILED, "Invalid path '%' for passwd-file", "the passwd-file's path is malformed",
            "2.4 db-passwd-file.c", Why.SERVER),
    Message(_FAILED, "Failed to normalize path: %", "the passwd-file's path is malformed",
            "2.4 db-passwd-file.c", Why.SERVER),
    Message(_FAILED, "getpwnam() failed: %", "the system's user database fails", "passdb-passwd.c",
            Why.SERVER),
    Message(_OTHER, "Reading % users took % secs", "", "db-passwd-file.c"),
    Message(_OTHER, "passwd-file: User iteration %", "", "userdb-passwd-file.c"),
    Message(_OTHER, "read(%) failed: %", "", "userdb-passwd-file.c"),
)  # fmt: skip

_PAM_FAILS = "a PAM module could not do its work, whatever the password is"
_PAM_UNREAD = "a PAM module could not read what is stored, whatever the password is"

_PAM = (
    Message(_FAILED, "pam_authenticate() failed: Authentication failure (Password mismatch?)",
            "PAM says no: the password is wrong, the user unknown or locked, or memory is short",
            "passdb-pam.c", Why.MISMATCH),
    Message(_FAILED, "pam_authenticate() failed: User not known%", "PAM does not know the user",
            "passdb-pam.c", Why.UNKNOWN),
    Message(_FAILED, "pam_authenticate() failed: Module is unknown%", "a PAM module is not installed",
            "passdb-pam.c", Why.SERVER),
    # Of a module, not of a password: pam_strerror() of Linux-PAM, libpam/pam_strerror.c
    Message(_FAILED, "pam_authenticate() failed: Error in service module%", _PAM_FAILS, "passdb-pam.c",
            Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: System error%",
            "a PAM module had an error, or the program of pam_exec said no", "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Failed to load module%", _PAM_FAILS, "passdb-pam.c",
            Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Symbol not found%", _PAM_FAILS, "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Memory buffer error%", _PAM_FAILS, "passdb-pam.c",
            Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Critical error - immediate abort%", _PAM_FAILS,
            "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Authentication service cannot retrieve authentication info%",
            _PAM_UNREAD, "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Insufficient credentials to access authentication data%",
            _PAM_UNREAD, "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_authenticate() failed: Permission denied%",
            "a PAM module does not let this user in, whatever the password is", "passdb-pam.c"),
    Message(_FAILED, "pam_authenticate() failed: %", "PAM says no", "passdb-pam.c", Why.MISMATCH),
    Message(_FAILED, "pam_acct_mgmt() failed: Authentication token is no longer valid%",
            "the password has expired", "passdb-pam.c", Why.DISABLED),
    Message(_FAILED, "pam_acct_mgmt() failed: %", "PAM's account check says no: expired, or not allowed here",
            "passdb-pam.c", Why.DISABLED),
    Message(_FAILED, "pam_start() failed: %", "PAM does not start: no file in /etc/pam.d", "passdb-pam.c",
            Why.SERVER),
    Message(_FAILED, "pam_setcred() failed: %", "PAM cannot set up the user's credentials", "passdb-pam.c",
            Why.SERVER),
    Message(_FAILED, "pam_open_session() failed: %", "PAM cannot open a session", "passdb-pam.c", Why.SERVER),
    Message(_FAILED, "pam_get_item(PAM_USER) failed: %", "PAM names no user", "passdb-pam.c", Why.SERVER),
    Message(_OTHER, "pam_close_session() failed: %", "", "passdb-pam.c"),
    Message(_OTHER, "pam_end() failed: %", "", "passdb-pam.c"),
)  # fmt: skip

# Called with a password: a login, whether the client has a session or not.
VERIFY_ENDS = Message(_FAILED, "passdb-lua: lua_pcall(auth_password_verify,%) failed: %!",
                      "the Lua script ends with an error", "passdb-lua.c", Why.SERVER)  # fmt: skip

_LUA = (
    VERIFY_ENDS,
    Message(_FAILED, "passdb-lua: lua_pcall(%) failed: %!", "the Lua script ends with an error",
            "passdb-lua.c", Why.SERVER),
    Message(_FAILED, "userdb-lua: lua_pcall(%) failed: %!", "the Lua script ends with an error",
            "userdb-lua.c", Why.SERVER),
    Message(_FAILED, "passdb-lua: auth_password_verify invalid return value%",
            "the Lua script returns something that this Dovecot does not take", "db-lua.c", Why.SERVER),
    Message(_FAILED, "auth_password_verify invalid return value%",
            "the Lua script returns something that this Dovecot does not take", "db-lua.c", Why.SERVER),
    *(
        Message(_FAILED, f"{of}{called}invalid {kind}return value%",
                "the Lua script returns something that this Dovecot does not take", "db-lua.c", Why.SERVER)
        for of in ("passdb-lua: ", "db-lua: ", "userdb-lua: ", "")
        for called in ("db-lua: auth_password_verify ", "db-lua: auth_passdb_lookup(req) ",
                       "db-lua: auth_userdb_lookup(req) ")
        for kind in ("", "error ")
    ),
    Message(_FAILED, "db-lua: lua_pcall(%) failed: %!", "the Lua script ends with an error",
            "passdb-lua.c", Why.SERVER),
    Message(_FAILED, "db-lua: passdb failed", "the Lua script says that it failed", "2.4 db-lua.c",
            Why.SERVER),
    Message(_FAILED, "db-lua: passb failed", "the Lua script says that it failed", "db-lua.c", Why.SERVER),
    Message(_FAILED, "passdb-lua: %!", "the Lua script says that it failed", "passdb-lua.c", Why.SERVER),
    Message(_FAILED, "userdb-lua: %!", "the Lua script says that it failed", "userdb-lua.c", Why.SERVER),
    Message(_FAILED, "db-lua: '%' is not a function", "the Lua script lacks that function", "db-lua.c",
            Why.SERVER),
    Message(_OTHER, "db-lua: '%' has invalid value type % - ignoring", "", "db-lua.c"),
    Message(_OTHER, "db-lua: Field key cannot %", "", "2.4 db-lua.c"),
    Message(_OTHER, "db-lua: Cannot iterate%", "", "db-lua.c"),
    Message(_OTHER, "db-lua: %!", "", "db-lua.c"),  # the script's own words at any level
    Message(_OTHER, "stack traceback:", "", "dlua-script.c"),
    Message(_OTHER, "\t%!", "", "dlua-script.c"),  # the lines of a traceback
    Message(_OTHER, "[C]: in %", "", "dlua-script.c"),
)  # fmt: skip

_OTHERS = (
    Message(_FAILED, "Failed to lookup key %!", "the dict has no answer", "db-dict.c", Why.SERVER),
    *(
        Message(_FAILED, words, "what the dict has for the user is no JSON", "json-parser.c", Why.SERVER)
        for words in (
            "Object doesn't begin with '{'",
            "Expected string as object key",
            "Expected ':' after key",
            "Expected ',' or '}' after object value",
            "Expected ',' or '}' after array value",
            "Invalid data as value",
            "Unexpected data at the end",
        )
    ),
    Message(_FAILED, "No passdb_objects or passdb_fields specified", "the dict's file names no fields",
            "passdb-dict.c", Why.SERVER),
    Message(_FAILED, "No userdb_objects or userdb_fields specified", "the dict's file names no fields",
            "userdb-dict.c", Why.SERVER),
    Message(_OTHER, "dict_iterate(%!", "", "userdb-dict.c"),
    Message(_FAILED, "Login failed (status=%)", "checkpassword says no", "db-checkpassword.c", Why.MISMATCH),
    Message(_FAILED, "Received no input", "checkpassword ended without an answer", "db-checkpassword.c",
            Why.SERVER),
    Message(_FAILED, "Child % exited with status 84",
            "checkpassword's program cannot be run: it is missing, or its interpreter is",
            "db-checkpassword.c", Why.SERVER),
    Message(_FAILED, "Child % exited with status 111", "checkpassword cannot say now: a temporary error",
            "db-checkpassword.c", Why.SERVER),
    Message(_FAILED, "Child % exited with status 127", "checkpassword runs a command that is not there",
            "db-checkpassword.c", Why.SERVER),
    Message(_FAILED, "Child % exited with status %", "checkpassword failed", "db-checkpassword.c",
            Why.SERVER),
    Message(_FAILED, "Child % died with signal %", "checkpassword was killed", "db-checkpassword.c",
            Why.SERVER),
    Message(_FAILED, "% characters in checkpassword reply", "checkpassword answers nonsense",
            "db-checkpassword.c", Why.SERVER),
    Message(_FAILED, "Username+password combination too long%", "too long for checkpassword",
            "db-checkpassword.c"),
    Message(_OTHER, "checkpassword: %", "", "checkpassword-reply.c"),
    Message(_OTHER, "Traceback (most recent call last):", "", "a checkpassword script in Python"),
    Message(_OTHER, "  %!", "", "a checkpassword script in Python"),
    Message(_FAILED, "oauth2 failed: Introspection failed: No username returned",
            "the answer lacks the attribute with the user's name, as it does where the server asks for the"
            " client's credentials (401)", "db-oauth2.c", Why.SERVER),
    Message(_FAILED, "oauth2 failed: %invalid_client",
            "OAuth2's server does not accept Dovecot's client_id and client_secret", "2.4 db-oauth2.c",
            Why.SERVER),
    Message(_FAILED, "oauth2 failed: %invalid_grant", "OAuth2's server refuses this name and password",
            "2.4 db-oauth2.c", Why.MISMATCH),
    Message(_FAILED, "oauth2 failed: %Invalid JSON in response%", "OAuth2's server answers no JSON",
            "2.4 oauth2-request.c", Why.SERVER),
    Message(_FAILED, "oauth2 failed: %token missing from reply", "OAuth2's server answers without a token",
            "2.4 oauth2-request.c", Why.SERVER),
    Message(_FAILED, "oauth2 failed: %Connection refused", "nothing listens at OAuth2's address",
            "http-client.c", Why.SERVER),
    Message(_FAILED, "oauth2 failed: %Username '%' did not match '%", "the token is another user's",
            "db-oauth2.c", Why.NAME),
    Message(_FAILED, "oauth2 failed: %Object doesn't begin with '{'", "OAuth2's server answers no JSON",
            "oauth2-request.c", Why.SERVER),
    Message(_FAILED, "oauth2 failed: %Internal Server Error", "OAuth2's server fails", "oauth2-request.c",
            Why.SERVER),
    Message(_FAILED, "oauth2 failed: Introspection failed: Provided token is not valid",
            "the token is not valid", "db-oauth2.c", Why.MISMATCH),
    Message(_FAILED, "oauth2 failed: %", "the token was not accepted, or its server fails", "passdb-oauth2.c",
            Why.SERVER),
    Message(_OTHER, "Authentication failed: [AUTHENTICATIONFAILED]%", "", "imapc-connection.c"),
    # 2.4 says both of the user, and the second again without the server.
    Message(_OTHER, "imapc(%): Connected to %", "", "2.4 imapc-connection.c"),
    Message(_OTHER, "imapc(%): Authentication failed: [AUTHENTICATIONFAILED]%", "", "2.4 imapc-connection.c"),
    Message(_BACKEND, "Authentication failed: %", "the IMAP server behind says no", "passdb-imap.c"),
    Message(_BACKEND, "connect(%) failed: %", "nothing answers at that address", "imapc-connection.c"),
    Message(_BACKEND, "Connection timed out%", "the IMAP server behind does not answer",
            "imapc-connection.c"),
    Message(_BACKEND, "dns_lookup(%) failed: %", "that host does not resolve", "imapc-connection.c"),
    Message(_FAILED, "imapc(%): %", "the login at the IMAP server behind fails", "2.4 imapc-connection.c",
            Why.SERVER),
    Message(_FAILED, "Disconnected from server", "the IMAP server behind closed the connection, or did not"
            " answer", "passdb-imap.c", Why.SERVER),
    Message(_BACKEND, "Server disconnected%", "the IMAP server behind closes the connection",
            "imapc-connection.c"),
    Message(_FAILED, "write() failed: %", "checkpassword takes no input", "db-checkpassword.c", Why.SERVER),
    Message(_FAILED, "waitpid() failed: %", "winbind's helper failed", "mech-winbind.c", Why.SERVER),
    Message(_FAILED, "winbind: ntlm_auth %", "winbind's helper failed", "mech-winbind.c", Why.SERVER),
    Message(_FAILED, "Invalid input from helper: %!", "winbind's helper answers nonsense", "mech-winbind.c",
            Why.SERVER),
)  # fmt: skip

OF_SERVERS: tuple[Message, ...] = (*_LDAP, *_SQL, *_FILES, *_PAM, *_LUA, *_OTHERS)
