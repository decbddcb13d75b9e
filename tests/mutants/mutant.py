"""What a mutant is: a safety rule, and the change of the sources that switches it off."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One rule switched off. A test of `tests` must fail then; they are run in this order until one does."""

    name: str
    rule: str  # what holds with the rule in force
    tests: tuple  # names of meson tests, the cheapest first
    edits: tuple  # of (file, old text, new text); the old text is in the file exactly once


def mutant(name, rule, tests, *edits):
    """A Mutant; `tests` may be one name."""
    return Mutant(name, rule, (tests,) if isinstance(tests, str) else tuple(tests), edits)
