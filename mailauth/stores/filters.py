"""The conditions of a directory's filter: RFC 4515."""

from collections.abc import Iterator

_MOST = 8  # conditions that are left out, one after the other


def without_one(template: str, text: str) -> Iterator[tuple[str, str]]:
    """A condition that does not depend on the user, and the filter without it, by turns.

    ``template``: the filter as it is set, with variables; ``text``: with them filled in.  Of a filter that is
    no conjunction, nothing.
    """
    filled = _conditions(text)
    ours = ["%" in one for one in _conditions(template)]
    if len(ours) != len(filled) or not any(ours):
        return
    for number, condition in enumerate(filled[:_MOST]):
        if not ours[number]:
            rest = "".join(filled[:number] + filled[number + 1 :])
            yield condition, f"(&{rest})"


def _conditions(text: str) -> list[str]:
    """Of ``(&(a)(b)...)``; a parenthesis in a value is escaped (section 3)."""
    inner = text.strip()
    if not inner.startswith("(&") or not inner.endswith(")"):
        return []
    found, depth, began = [], 0, 0
    for at, one in enumerate(inner[2:-1], 2):
        if one == "(":
            began = at if not depth else began
            depth += 1
        elif one == ")":
            depth -= 1
            if not depth:
                found.append(inner[began : at + 1])
    return found if not depth else []
