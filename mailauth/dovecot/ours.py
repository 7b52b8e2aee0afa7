"""What mailauth itself puts into a Dovecot's configuration, by which it is known again."""

from mailauth.dovecot.conf import Block

ON_LOGIN_HEADER = "X-Mailauth"
"""Of each report to ``mailauth migrate on-login serve``; Dovecot has it in auth_policy_server_api_header."""


def reports_to_on_login(tree: Block) -> bool:
    """Whether this Dovecot's policy server is our service, which rehashes on login."""
    mark = f"{ON_LOGIN_HEADER}:"
    return any(setting.value.startswith(mark) for block in tree.walk() for setting in block.settings)
