"""Write the warnings about a model that every output must show beside its scores, lists and sums."""

from datetime import date
from typing import TYPE_CHECKING

from features.contract.community import Community
from features.language import joined_names, say, say_line

if TYPE_CHECKING:
    from models.registry.registry import Champion


def list_notes(model: "Champion", community: Community) -> list[str]:
    """Write the lines that stand on every list: needs with too few requests, and the limits of past requests.

    Where p_need is not corrected for needs without a request, a line says that households that never asked may stand
    low.
    """
    return [*_few(model, community), *_ruled(community), *_silent(model)]


def _ruled(community: Community) -> list[str]:
    """Write a line for each rule by which the office has needs ranked; none where the model ranks all."""
    from service.lists.reasons import rule_words

    names: dict[str, list[str]] = {}
    for need in community.needs:
        if need.ranking != "model":
            names.setdefault(need.ranking, []).append(need.name.here)
    lines = []
    for rule, needs in names.items():
        listed, words = joined_names(needs), rule_words(rule)
        lines.append(say(f"{listed}：{words}。", f"{listed}: {words}."))
    return lines


def _few(model: "Champion", community: Community) -> list[str]:
    """Write a line when requests are too few to tell households apart, for all needs or for some; else none."""
    modelled = model.model.trained
    if not modelled.any() and model.model.tells_apart:
        return say_line(
            "还训练不出模型：暂时按本户、邻居和同类家庭以往的诉求排先后。",
            "No model can be trained yet: households stand in the order of their own, their neighbours'"
            " and similar households' past requests.",
        )
    if not modelled.any():
        return say_line(
            "诉求太少，还分不出哪家先去：本周轮流走访，每户一次，最久没人去的先去。",
            "Too few requests to tell households apart: this is a round of visits in turn, each household once,"
            " the longest unvisited first.",
        )
    names = [need.name.here for need, known in zip(community.needs, modelled, strict=True) if not known]
    listed = joined_names(names)
    return say_line(
        f"{listed}：能有这几项需求的住户诉求太少，没有训练模型，排的先后只供参考。",
        f"{listed}: too few requests of households that can have it to train on; take the order as a hint only.",
    ) * bool(names)


def _silent(model: "Champion") -> list[str]:
    if model.model.visited is not None or not model.model.tells_apart:
        return []
    return say_line(
        "名单是照以往的诉求排的：从没开过口的家庭也可能有需要，只是排不到前面。",
        "Lists follow past requests: households that never asked may have needs too, and stand low.",
    )


def about(model: "Champion", community: Community) -> list[str]:
    """Write what the model's probabilities are.

    The lines name the needs with too few requests and those for which the probabilities do not hold, say whether needs
    without a request are corrected for, and name the needs whose ``who`` has changed since the model was trained.
    """
    from models.registry.champion import changed_cohorts

    unsound = [say(need["zh"], need["en"]) for need in model.model.metadata.get("unsound", [])]
    return [
        *_few(model, community),
        *_when_enough(model),
        *unsound,
        model.model.silence(),
        *changed_cohorts(model, community),
    ]


def _when_enough(model: "Champion") -> list[str]:
    """Write from how many requests on a retrain ends visits in turn; the model does not see the later ones."""
    from models.scoring.model import FEWEST_REQUESTS

    if model.model.tells_apart:
        return []
    had = model.model.metadata.get("requests", 0)
    return say_line(
        f"训练时有 {had} 条诉求；满 {FEWEST_REQUESTS} 条后运行 xianying retrain，名单就能分出先后。",
        f"The training had {had} requests; with {FEWEST_REQUESTS} run xianying retrain, and lists tell households"
        " apart.",
    )


def hindsight(model: "Champion", as_of: date) -> list[str]:
    """Write a warning when the model was trained on data after a date: a check on that date would look too good."""
    until = str(model.model.metadata.get("as_of", ""))
    if until <= as_of.isoformat():
        return []
    return say_line(
        f"注意：模型是用 {until} 以前的数据训练的，学过 {as_of} 以后的事，拿这一天来核对，看上去会比真实的准",
        f"note: the model was trained on data up to {until} and has learnt from what came after {as_of}: a check"
        " on that date will look too good",
    )
