"""Store what live scores and explanations need of a published week's town, as plain files that cannot run code."""

from pathlib import Path

from features.blocks.activity import ActivityTown
from features.blocks.areas import Area
from features.blocks.expected import ExpectedTown
from features.blocks.neighbours import NeighbourTown, Window
from features.contract.community import Community
from features.point_in_time.schema import Attribute
from features.point_in_time.town import AttributeFactors, TownCounts, TownSummary
from features.store.plain_file import UnreadableFile, from_file, to_bytes
from models.scoring.live import TownState
from models.scoring.ranking import Standing
from models.scoring.score import PartitionState
from service.web.published.week_files import STATE

STATE_KINDS = (
    *(PartitionState, Standing, TownSummary, TownCounts, AttributeFactors, Attribute, Community),
    *(ActivityTown, ExpectedTown, NeighbourTown, Window, Area),
)


def write_state(place: Path, state: TownState) -> None:
    """Write the town's state into the directory of a published week."""
    (place / STATE).write_bytes(to_bytes(state))


def read_state(place: Path) -> TownState | None:
    """Read the town's state, or None where the week was published without it or by a version with another format."""
    try:
        return from_file(place / STATE, TownState, STATE_KINDS)
    except (FileNotFoundError, UnreadableFile):
        return None
