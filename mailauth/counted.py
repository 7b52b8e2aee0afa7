"""A number and what it counts: "1 row", "2,000 rows"."""


def counted(number: int, what: str, plural: str = "s", *, verb: tuple[str, str] = ("", "")) -> str:
    """``verb``: what one does, and what several do; it stands behind."""
    does = verb[0 if number == 1 else 1]
    return f"{number:,} {what}{'' if number == 1 else plural}{f' {does}' if does else ''}"


def times(number: int) -> str:
    """How often: "1 time", "2 times"."""
    return counted(number, "time")
