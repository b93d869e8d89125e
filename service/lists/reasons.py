"""Write why each visit stands on the list: in one line, and with the source rows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.blocks.build import BLOCKS, Features, block_name, build
from features.contract.community import Community
from features.contract.need_kinds import Place
from features.language import say, speaking
from features.point_in_time.records import Known, Rows
from features.point_in_time.row_index import own_visits
from features.point_in_time.spoken import spoken_month
from features.rows.tables import positions_of
from models.evaluation.baselines import RANKERS
from models.monitoring.reason_quality import NO_REASON
from models.scoring.explain import COMMON, MOST, Reason, chosen_reasons, joined, ranked_facts
from service.lists.answers import NUMBERS

if TYPE_CHECKING:
    from models.registry.registry import Champion

LOT, TURN, RULE = NO_REASON, "turn", "rule"
PLACES: tuple[Place, Place] = ("list", "home")  # of ``reason`` and of ``why``


def reasons_in(
    languages: Iterable[str],
    visits: pd.DataFrame,
    known: Known,
    model: "Champion",
    features: Features | None = None,
) -> dict[str, pd.DataFrame]:
    """Add reasons to the visits, in each language: what raised the score, or that the household was drawn at random.

    The added columns are reason (one line, what a list may show), why (what the household's own page may show: each
    reason numbered, with its source rows), paper (the first reasons of ``why``, those that may lie on paper beside the
    address, numbered alike) and reason_kinds (the reason groups in ``why``, joined by commas).

    languages: ``zh``, ``en``.
    visits: rows of the plan, with household_id, need and arm.
    known: what was known on the as-of day.
    model: the champion that scored the visits.
    features: features of the whole cohort, if they were built already; else those of the visits are built.

    Returns the visits with their reasons, by language.
    """
    household = positions_of(visits["household_id"], known.household_ids)
    need = visits["need"].map(known.community.need_index()).to_numpy(dtype=np.int16)
    targeted = (visits["arm"] == "targeted").to_numpy()
    rows = Rows(household[targeted].astype(np.int32), need[targeted])
    features = features or build(known, rows, model.model.schema)
    positions = _positions(features.rows, rows, len(known.community.needs))
    ranked = ranked_facts(model.model, known, features, positions)
    texts = {}
    for language_code in languages:
        with speaking(language_code):
            if model.model.tells_apart:
                on_list, at_home = (
                    _by_rule(
                        chosen_reasons(model.model, known, rows, ranked, place=place), rows, known.community
                    )
                    for place in PLACES
                )
            else:
                on_list = at_home = [[_turn(known, home)] for home in rows.household.tolist()]
            texts[language_code] = _worded(visits, targeted, on_list, at_home)
    return texts


def _worded(
    visits: pd.DataFrame, targeted: np.ndarray, on_list: list[list[Reason]], at_home: list[list[Reason]]
) -> pd.DataFrame:
    drawn = [Reason(say("抽签走访：不看预测，照常问一问", "drawn by lot, whatever the prediction"), LOT, "")]
    place = np.cumsum(targeted) - 1
    lines = [on_list[at] if aimed else drawn for aimed, at in zip(targeted, place, strict=True)]
    homes = [at_home[at] if aimed else drawn for aimed, at in zip(targeted, place, strict=True)]
    pages = [_for_paper_first(home, line) for home, line in zip(homes, lines, strict=True)]
    counts = [sum(reason in line for reason in page) for page, line in zip(pages, lines, strict=True)]
    return visits.assign(
        reason=[joined([reason.text for reason in row]) for row in lines],
        why=[numbered(row) for row in pages],
        paper=[numbered(row, count) for row, count in zip(pages, counts, strict=True)],
        reason_kinds=[",".join(reason.kind for reason in row) for row in pages],
    )


def _for_paper_first(at_home: list[Reason], on_list: list[Reason]) -> list[Reason]:
    """Put the reasons that may lie on paper before the others, at least one: a number means the same in both places."""
    on_paper = [reason for reason in at_home if reason in on_list] or on_list[:1]
    return [*on_paper, *(reason for reason in at_home if reason not in on_paper)][:MOST]


def _by_rule(reasons: list[list[Reason]], rows: Rows, community: Community) -> list[list[Reason]]:
    """Put the rule first where a rule ranks the need: two other reasons stand beside it."""
    rules = {
        position: Reason(rule_words(need.ranking), RULE, "")
        for position, need in enumerate(community.needs)
        if need.ranking != "model"
    }
    return [
        [rules[need], *beside[: MOST - 1]] if need in rules else beside
        for need, beside in zip(rows.need.tolist(), reasons, strict=True)
    ]


def rule_words(ranking: str) -> str:
    """Say by which rule a need is ranked."""
    zh, en = RANKERS[ranking]
    return say(f"按“{zh}”排先后", f"ranked by: {en.lower()}")


def _turn(known: Known, household: int) -> Reason:
    """Return the reason of a visit in turn: when somebody last came."""
    contacted = known.outreach.contacted[own_visits(known, household)]
    if not len(contacted):
        return Reason(say("轮流走访：还没有人去过", "in turn: nobody has come yet"), TURN, "")
    when = spoken_month(float(contacted.max()), known.as_of)
    return Reason(say(f"轮流走访：上次是{when}", f"in turn: the last visit was in {when}"), TURN, "")


def _positions(within: Rows, rows: Rows, needs: int) -> np.ndarray:
    """Find each pair of ``rows`` in ``within``, which holds all of them: int64 [rows]."""
    keys, wanted = (frame.household.astype(np.int64) * needs + frame.need for frame in (within, rows))
    order = np.argsort(keys, kind="stable")
    return order[np.searchsorted(keys, wanted, sorter=order)]


def numbered(reasons: list[Reason], first_only: int = MOST) -> str:
    """Write each reason on a line, with its source rows and, if there are several reasons, its number.

    ``first_only``: so many of them.
    """
    lines: list[str] = []
    first: dict[str, str] = {}  # the reason beside which rows were named
    for number, reason in zip(NUMBERS, reasons[:first_only], strict=False):
        rows_told = reason.evidence
        if rows_told in first:
            rows_told = say(f"同{first[rows_told]}", f"as {first[rows_told]}")
        first.setdefault(reason.evidence, number)
        rows = say(f"〔{rows_told}〕", f" [{rows_told}]") if rows_told else ""
        lines.append((number if len(reasons) > 1 else "") + reason.text + rows)
    return "\n".join(lines)


def kind_names() -> dict[str, str]:
    """Name each reason group."""
    return {
        **{block_name(block): say(*block.KIND) for block in BLOCKS},
        COMMON: say("全社区情况", "the whole community"),
        LOT: say("抽签", "drawn by lot"),
        TURN: say("轮流走访", "in turn"),
        RULE: say("社区选定的排法", "the rule that the office chose"),
    }
