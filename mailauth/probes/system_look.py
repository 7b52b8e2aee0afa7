"""Look at the system's accounts for the rules about them: this user's, or one that is well."""

from mailauth.dovecot.authconfig import OF_THE_SYSTEM, Passdb
from mailauth.evidence import NotApplicable, SystemAccounts
from mailauth.probes import system_accounts
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene


def observe_system_accounts(scene: Scene) -> SystemAccounts | NotApplicable:
    """What each such passdb makes of the user.  Raises CannotObserve where one cannot be asked."""
    if scene.names is None or scene.names.refused:
        return NotApplicable(SystemAccounts, "no passdb is asked for this name")
    asked = of_accounts(scene)
    if not asked:
        return NotApplicable(SystemAccounts, "no passdb asks for the system's accounts")
    user = scene.names.looked_up
    found = (system_accounts.ask(scene, one, user, fill_for(scene, one)) for one in asked)
    return SystemAccounts("the system's accounts", tuple(one.account for one in found))


def look_for_anybody(scene: Scene) -> SystemAccounts | NotApplicable:
    """What keeps everybody out.  Raises CannotObserve."""
    asked = of_accounts(scene)
    if not asked:
        return NotApplicable(SystemAccounts, "no passdb asks for the system's accounts")
    found = (system_accounts.ask_about_anybody(scene, one, fill_for(scene, one)) for one in asked)
    return SystemAccounts("the system's accounts", tuple(one.account for one in found))


def of_accounts(scene: Scene) -> list[Passdb]:
    """The passdbs of these drivers that can let a user in."""
    mechanism = (scene.mechanism or "PLAIN").upper()
    return [
        one
        for one in scene.config.passdbs
        if one.driver in OF_THE_SYSTEM and not one.deny and not one.master and one.takes(mechanism)
    ]
