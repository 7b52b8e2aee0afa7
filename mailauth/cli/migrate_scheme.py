"""Which options of ``migrate`` say anything of new hashes."""

from mailauth.cli.shared.given import without
from mailauth.hashes.making import has_profile


def new_hashes(command: str, scheme: str) -> None:
    """Refuse what hashes of this scheme do not have.  Raises UsageError."""
    names = ("cost", "rounds") if has_profile(scheme) else ("profile",)
    without(f"{command} to {scheme.upper()}", *names)
