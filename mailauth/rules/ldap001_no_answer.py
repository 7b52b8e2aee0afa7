"""The directory gives no answer that Dovecot can use.

What you see
    Logins hang for up to a minute, or fail with "Temporary authentication failure" ([UNAVAILABLE]), whatever
    the password is.
Why
    Nothing listens there; a port takes the connection and drops it; TLS fails; the server refuses
    the name or the password with which Dovecot itself binds; or it refuses the search.
How we know
    The directory was asked as Dovecot asks it: the same libldap, servers, TLS settings, bind name, base and
    filter, as the user of the system that auth runs as.  The code is the server's (RFC 4511), or libldap's
    where it is below 0.  The user's own password was sent to nobody.
What to do
    Fix what the server's message names.  Where the bind is refused, ldapwhoami -x -H ADDRESS -D NAME -W shows
    whether name and password are right; ask whoever runs the directory for them.
"""

from mailauth.evidence import DirectoryAnswers, Logins, LogWindow
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case, flood_case
from mailauth.stores.directed import Directed, TlsFault

_ADVICE = {
    Directed.DOWN: "Start the directory server, or correct its address in <settings>.",
    Directed.DROPS: (
        "See what listens there: a proxy whose server is down, a port for ldaps, or a server that fails."
        " The address is in <settings>."
    ),
    Directed.SLOW: "See why the directory server does not answer in time.",
    Directed.TLS: (
        "Let the server's certificate be for the name in <settings>, and its authority be known to Dovecot."
    ),
    Directed.WANTS_TLS: "Turn TLS on in <settings>: StartTLS, or an address with ldaps.",
    Directed.CREDENTIALS: (
        "Correct the name or the password with which Dovecot binds (<name>): ldap_auth_dn and"
        " ldap_auth_dn_password (2.3: dn and dnpass) of <settings>; then reload."
    ),
    Directed.FILTER: "Set the filter in <settings>, or correct it: count its parentheses.",
    Directed.REFUSED: "Let <name> search there, by the server's rules; it is set in <settings>.",
    Directed.LIMIT: (
        "Raise the server's limits for <name>, give the attributes of the filter an index, or let it match"
        " one entry only."
    ),
    Directed.NO_NAME: (
        "Correct the base in <settings>. A variable in it may be empty: a name without @ has no domain."
    ),
    Directed.ELSEWHERE: "Name the server that has the base, or a base of this one, in <settings>.",
}


_OF_TLS = {
    TlsFault.EXPIRED: "Give the directory server a certificate that is valid now, or set the clocks.",
    TlsFault.NAME: (
        "Name the server in <settings> as its certificate has it, or give it a certificate for that name."
    ),
    TlsFault.AUTHORITY: (
        "Put the certificate of that authority into that file, and let Dovecot's user read it; then restart"
        " Dovecot."
    ),
    TlsFault.OLD: "Update the directory server, or let it offer TLS 1.2 or newer.",
    TlsFault.NO_TLS: (
        "Correct address, port or StartTLS in <settings>: ldaps has a port of its own (636), StartTLS has the"
        " usual one (389); or turn TLS on at the server."
    ),
}


@rule(
    "LDAP001",
    "The directory gives no answer that Dovecot can use",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def directory_gives_no_answer(
    answers: DirectoryAnswers, logins: Logins | None, log: LogWindow | None
) -> Problem | None:
    waits = any(flood_case.cure(one.text).waits for one in flood_case.flooding(log))
    return directory_case.problem(
        answers.those(*_ADVICE), answers, logins, _ADVICE, of_tls=_OF_TLS, waits=waits
    )
