"""A query, a path or a field has a variable, a filter or a function that this Dovecot does not know.

What you see
    Dovecot starts, and every lookup that needs it fails with a temporary error.  2.4 logs "Failed to expand
    ... setting variables: Unknown variable 'x'"; 2.3 says so of a passwd-file, and of a SQL query only with
    auth_debug = yes.
Why
    It is misspelled, or it came with a later release, or another program's files have it.
How we know
    The text was expanded as this version of Dovecot does; its tables of variables and filters are compared
    with the real Dovecots by mailauth's tests.
What to do
    Write a variable that this version has.
"""

from mailauth.evidence import Configured, Variables
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

# What the other dialect, or people, call a variable
_CALLED = {
    "2.3": {
        "protocol": "%s",
        "id": "%!",
        "client_pid": "%p",
        "owner_user": "%u",
        "email": "%u",
        "mail": "%u",
        "login": "%u",
        "name": "%n",
        "i": "%!",
    },
    "2.4": {
        "username": "%{user | username}",
        "domain": "%{user | domain}",
        "service": "%{protocol}",
        "lip": "%{local_ip}",
        "rip": "%{remote_ip}",
        "lport": "%{local_port}",
        "rport": "%{remote_port}",
        "mech": "%{mechanism}",
        "orig_user": "%{original_user}",
        "auth_username": "%{auth_user | username}",
        "auth_domain": "%{auth_user | domain}",
        "login_username": "%{login_user | username}",
        "login_domain": "%{login_user | domain}",
        "hostname": "%{system:hostname}",
        "pid": "%{client_pid}",
    },
}


@rule(
    "CONF024",
    "A variable that this Dovecot does not know",
    Severity.BLOCKS_LOGIN,
    bears=Bears.FILE,
    watch="server",
)
def unknown_variable(configured: Configured, variables: Variables) -> Problem | None:
    if not variables.unknown:
        return None
    told = "; ".join(
        f"{one.where}{f' ({one.place})' if one.place else ''}: {one.says}" for one in variables.unknown
    )
    called = _CALLED[configured.version.dialect]
    meant = [
        f"{name} is {right} in Dovecot {configured.version.dialect}"
        for name, right in called.items()
        if any(one.name == name for one in variables.unknown)
    ]
    alone = len(configured.config.passdbs) == 1 and all(
        "userdb" not in one.where for one in variables.unknown
    )
    summary = f"Write what this version has{': ' if meant else ''}{'; '.join(meant)}; then reload Dovecot."
    return Problem(
        says=f"{told}. Each lookup that needs it fails.",
        because=(variables, configured),
        certainty=Certainty.PROVEN if alone else Certainty.LIKELY,
        remedy=Remedy(summary=summary),
    )
