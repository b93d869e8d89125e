"""Every reason of several simulated towns, read as a clerk and as the resident beside the telephone would."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hand_made import hand_made_model

from features.blocks.build import build, catalogue
from features.blocks.similar import LEAST_TOLD, attribute_logarithms
from features.contract.need_kinds import Place
from features.ingest.ingest import ingest
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, day_of, known_before
from features.simulation.simulate import simulate
from features.store.reader import read_records
from models.scoring.explain import Reason, chosen_reasons, ranked_facts

DAY = date(2025, 7, 7)
TOWNS = [(1, 0), (2, 3), (3, 7)]  # seed and style
MODELS = 4
NO_REASON_TO_COME = r"未遇|谢绝|婉拒|不需要|搬走|去世|才建档"
HURTS = (
    r"户籍|外来|民族|学历|党员|语言|收入|低保|残疾|慢性病|单亲|失业|待业|就业状况|[男女]\d人|一个大人|评\d分"
)
ON_A_LIST = r"独居|双职工|租房|近一年申请过.*相近的"  # what only the household's own page may say
ABOUT = {
    r"孩子|双职工": {"children", "elders"},
    r"老人\d": {"elders", "health"},
    r"年建的房子|租房": {"home"},
}


@pytest.fixture(scope="module", params=TOWNS, ids=["Xishan", "style 3", "style 7"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Known:
    seed, style = request.param
    place = tmp_path_factory.mktemp("town")
    size = {"households": 250, "weeks": 90, "grids": 3, "microgrids": 9}
    simulate(place / "town", **size, end=DAY, visit_share=0.05, seed=seed, style=style)
    ingest(place / "town", place / "workspace")
    return known_before(read_records(place / "workspace"), day_of(DAY))


def printed(known: Known, seed: int, place: Place) -> list[tuple[int, int, list[Reason]]]:
    """Reasons of some pairs by a model that any feature may raise: household, need, reasons."""
    random = np.random.default_rng(seed)
    names = [one.name for one in catalogue(hand_made_model(known, {}).schema)]
    model = hand_made_model(known, dict(zip(names, random.normal(size=len(names)), strict=True)))
    rows = cohort(known)
    rows = rows.take(random.permutation(len(rows))[:300])
    features = build(known, rows, model.schema)
    ranked = ranked_facts(model, known, features, np.arange(len(rows)))
    found = chosen_reasons(model, known, rows, ranked, place=place)
    return list(zip(rows.household.tolist(), rows.need.tolist(), found, strict=True))


@pytest.mark.parametrize("place", ["list", "home"])
def test_no_reason_has_a_fault(town: Known, place: Place) -> None:
    texts = set()
    for seed in range(MODELS):
        for household, need, reasons in printed(town, seed, place):
            this = town.community.needs[need]
            line = "；".join(reason.text for reason in reasons)
            texts.add(line)
            assert 1 <= len(reasons) <= 3
            assert not re.search(NO_REASON_TO_COME, line), line
            assert not re.search(HURTS, line), line
            assert place == "home" or not re.search(ON_A_LIST, line), line
            plain = line.replace(this.name.zh, "")
            for words, kinds in ABOUT.items():
                assert not re.search(words, plain) or this.about & kinds, (this.id, line)
            assert len(re.findall("孩子", plain)) <= 1 and len(re.findall(r"老人\d", plain)) <= 1, line
            assert len(re.findall(re.escape(this.name.zh), line)) <= 1, line
            assert len(re.findall("邻居", line)) <= 1 and len(re.findall("离.{2}还有|还剩", line)) <= 1
            # of whoever asked for other things no conclusion is drawn where something about this need is known
            assert "为别的事" not in line or (len(reasons) == 2 and "为别的事" in reasons[0].text), line
            assert not re.fullmatch(r"搬来\d+.{1,2}", line), line  # that says nothing about the need
            assert household >= 0
    assert len(texts) > 50


def test_no_attribute_is_told_that_makes_a_request_less_likely(town: Known) -> None:
    schema = hand_made_model(town, {}).schema
    checked = 0
    for household, need, reasons in printed(town, 9, "home"):
        logarithms = attribute_logarithms(town, schema, household, need)
        if any("双职工" in reason.text for reason in reasons):
            names = [name for name in logarithms if re.search("dual_(earner|income)", name)]
            assert all(logarithms[name] >= LEAST_TOLD for name in names)
            checked += 1
        if any(re.search("孩子", reason.text) for reason in reasons):
            about_children = [value for name, value in logarithms.items() if "child" in name]
            assert max(about_children) >= LEAST_TOLD
            checked += 1
    assert checked


def test_neighbours_are_told_only_where_they_ask_more(town: Known) -> None:
    for household, need, reasons in printed(town, 11, "list"):
        for reason in reasons:
            counted = re.search(r"邻居(\d+)户，近(?:一年|一个月)有(\d+)户申请过", reason.text)
            assert counted is None or (3 <= int(counted[2]) <= int(counted[1])), (
                household,
                need,
                reason.text,
            )


def test_a_community_opens_and_closes_attributes(town: Known) -> None:
    needs = [need.id for need in town.community.needs]
    opened = {"party_member": (needs[0],), "dual_earner": ()}
    settings = town.community.features.model_copy(update={"reasons": opened})
    community = town.community.model_copy(update={"features": settings})
    texts = [
        (need, reason.text)
        for _, need, reasons in printed(replace(town, community=community), 2, "list")
        for reason in reasons
    ]
    assert not any("双职工" in text for _, text in texts)
    assert all(need == 0 for need, text in texts if "党员" in text)
