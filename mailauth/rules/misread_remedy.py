"""What CONF003 and CONF004 share: the lines to change."""

from mailauth import remedies
from mailauth.evidence import MisreadVariable, Variables
from mailauth.finding import Edit, Remedy
from mailauth.remedies import RELOAD


def remedy(variables: Variables) -> Remedy:
    """Each line in this Dovecot's own words."""
    known = [
        one
        for one in variables.misread
        if one.new and one.new != one.old and one.new.count("\n") == one.old.count("\n")
    ]
    edits = [Edit(one.file, one.line, one.old, one.new) for one in known]
    rest = [one for one in variables.misread if one not in known]
    hand = " By hand: " + told(rest) if rest else ""
    return remedies.remedy(
        summary="Write the variables as this Dovecot does, and reload." + hand,
        edits=tuple(dict.fromkeys(sorted(edits, key=lambda edit: (edit.file, edit.line), reverse=True))),
        commands=(RELOAD,),
        by_hand=bool(rest),
    )


def told(misread: list[MisreadVariable]) -> str:
    return "; ".join(
        f"{one.where} has {', '.join(one.variables)}" + (f" ({one.file}:{one.line})" if one.file else "")
        for one in misread
    )
