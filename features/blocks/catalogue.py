"""What a feature is: its name, meaning, source and window, and the kind of fact that explains it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One column that a block makes.

    ``fact`` names the kind of fact shown to a worker when this feature raised a score; several features may
    share one fact (a count, a decayed count and days since all explain 'asked before'). Empty: never shown.
    """

    name: str
    zh: str
    en: str
    source: str  # table of the contract
    window: str = ""  # e.g. "28 days", "as of the date"
    fact: str = ""
