"""What came of taking in a directory."""

from dataclasses import dataclass

from features.ingest.ingest_report import FINE, LOOK, IngestReport


@dataclass(frozen=True)
class TakenIn:
    """What an ingest of a directory did: the report on the contract's tables, and lines on the ledgers."""

    report: IngestReport
    lines: list[str]
    look: bool = False  # whether rows wait for people or were set aside

    def exit_code(self) -> int:
        """Return the report's exit code, or 3 where rows of ledgers should be looked at."""
        code = self.report.exit_code()
        return LOOK if code == FINE and self.look else code
