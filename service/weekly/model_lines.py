"""What must be said of a model beside its scores, lists and sums."""

from datetime import date
from typing import TYPE_CHECKING

from features.contract.community import Community
from features.language import say

if TYPE_CHECKING:
    from models.registry.registry import Champion


def about(model: "Champion", community: Community) -> list[str]:
    """Lines on what the model's probabilities are: for which needs they do not hold, whether silence is corrected, and
    of whom."""
    from models.registry.champion import of_others

    unsound = [say(need["zh"], need["en"]) for need in model.model.metadata.get("unsound", [])]
    return [*unsound, model.model.silence(), *of_others(model, community)]


def hindsight(model: "Champion", as_of: date) -> list[str]:
    """A line where the model was trained on what came after a date: it knows the answers there."""
    until = str(model.model.metadata.get("as_of", ""))
    if until <= as_of.isoformat():
        return []
    return [
        say(
            f"注意：模型由 {until} 以前的数据训练，学过 {as_of} 以后的事，拿这一天核对会显得过准",
            f"note: the model was trained on data up to {until} and has learnt from what came after {as_of}: a check"
            " on that date will look too good",
        )
    ]
