"""The rules that a check asks: each names it itself."""

from mailauth.finding import Rule
from mailauth.rules import RULES


def watched(check: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.watch == check)
