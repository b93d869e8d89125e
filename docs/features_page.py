"""Write the page docs/features.md from the catalogue: ``python docs/features_page.py > docs/features.md``."""

from collections.abc import Iterator
from types import ModuleType

from features.blocks.build import BLOCKS, block_name, features_of
from features.blocks.catalogue import Feature
from features.contract.community import Community, Identity, Need
from features.point_in_time.schema import Attribute, Schema

HEAD = """# Features

Every feature is one row of the catalogue; a block (a module of `features/blocks`) computes it. This page is made from the
catalogue by `python docs/features_page.py > docs/features.md`; a test checks that it is current.

Features of a community's own attributes are shown for one example of each kind: `income` (a number), `low_income` (yes or
no), `tenure` (a category with the value `rented`), `head_birth_year` (a birth) and `moved_in` (a date), each also for
residents.

A reason is told only to needs that it is about, and at most in the place named: on a `list`, at `home` (also on the
household's own page, behind a tap, and never on paper), in the `office` (to coordinators), or `never`. Who is alone, and
when nobody is at home, is never told on a list: lists lie on paper beside the address. Reasons of one topic say the same
in other words; one of them is told. `features.reasons` of community.yaml opens further attributes, or closes them.
"""
EXAMPLES = (
    Attribute("income", "number", changes=True, zh="收入", en="income"),
    Attribute("low_income", "boolean", changes=True, zh="低收入", en="low income"),
    Attribute("tenure", "category", ("rented",), changes=True, zh="住房", en="tenure"),
    Attribute("head_birth_year", "birth", zh="户主", en="head"),
    Attribute("moved_in", "date", zh="入住", en="moving in"),
)
PLAIN = Community(community=Identity(), needs=(Need(id="childcare"),))  # nothing said in features.reasons
EXAMPLE = Schema(EXAMPLES, EXAMPLES, needs=("childcare",), has_residents=True, has_ages=True)


def features_page(schema: Schema = EXAMPLE) -> str:
    """Write the catalogue of a schema as a Markdown page, with a table for each block."""
    return "\n".join([HEAD, *(line for block in BLOCKS for line in _table(block, schema))])


def _table(block: ModuleType, schema: Schema) -> Iterator[str]:
    summary = (block.__doc__ or "").split("\n\n")[0].removeprefix("Block: ").replace("\n", " ").strip()
    yield f"## `{block_name(block)}`\n"
    yield f"{summary[0].upper()}{summary[1:]} Its reasons are called {block.KIND[0]} ({block.KIND[1]}).\n"
    yield "| feature | meaning | source | window | unit | reason | role |\n|---|---|---|---|---|---|---|"
    for feature in features_of(block, schema):
        yield _row(feature)
    yield ""
    tellings = block.telling(schema, PLAIN) if hasattr(block, "telling") else getattr(block, "TELLING", {})
    if tellings:
        yield "| reason | topic | shown at most | to needs about |\n|---|---|---|---|"
    for fact, telling in tellings.items():
        about = "any" if telling.kinds is None else ", ".join(sorted(telling.kinds))
        yield f"| {fact} | {telling.topic} | {telling.place} | {about if telling.place != 'never' else ''} |"
    if tellings:
        yield ""


def _row(feature: Feature) -> str:
    meaning = f"{feature.zh}<br>{feature.en}"
    cells = (
        f"`{feature.name}`",
        meaning,
        feature.source,
        feature.window,
        feature.unit,
        feature.fact,
        feature.role,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(features_page(), end="")
