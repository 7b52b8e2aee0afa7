"""The container's log has no limit.

What you see
    The host's disk fills with /var/lib/docker/containers/ID/ID-json.log, faster when a client retries.
Why
    Dovecot logs to its standard error, and Docker's json-file driver keeps all of it: max-size is
    unlimited unless it is set, and logrotate does not know that file.
How we know
    The container's hostconfig.json, which its mounts lead to, on the host.
What to do
    Give the container a max-size and a max-file, in its compose file or in /etc/docker/daemon.json;
    that counts for containers made after it.
"""

from mailauth.dovecot.sizes import show_size
from mailauth.evidence import ContainerLog
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("LOG002", "The container's log has no limit", Severity.RISK)
def container_log(log: ContainerLog) -> Problem | None:
    if log.driver != "json-file" or log.max_size not in ("", "-1"):
        return None
    return Problem(
        says=f"Docker keeps all that Dovecot logs in {log.path}: {show_size(log.size)} now, without a limit.",
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=(
                "Make the container again with a limit: docker run --log-opt max-size=10m"
                " --log-opt max-file=3, or the same under logging: options: in its compose file."
            ),
        ),
    )
