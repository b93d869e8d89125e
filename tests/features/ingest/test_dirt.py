"""For any mixture of dirt: every row is counted once, no refusal is lost, and reading again changes nothing."""

from datetime import date

from dirty_cells import dirty_household, dirty_refusal, dirty_request
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tiny_town import TinyTown, households, make_tiny_town, requests

from features.point_in_time.records import day_of, known_before

REFUSING = ("H04", "H07", "H11")
DURING = date(
    2024, 6, 10
)  # later than every beginning that can be read, before every end that is not a mistake


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.tuples(*(dirty_household(row) for row in households())),
    st.lists(st.sampled_from(requests()).flatmap(dirty_request), max_size=12),
    st.tuples(*(dirty_refusal(household) for household in REFUSING)),
    st.integers(0, 3),
)
def test_any_mixture_of_dirt(tmp_path_factory, homes, asked, refusals, repeated):
    place = tmp_path_factory.mktemp("dirt")
    town = make_tiny_town(place / "export", place / "workspace")
    town.write("households", [*homes, *homes[:repeated]])
    town.write("requests", asked)
    lines = "\n".join(["household_id,from,until", *refusals, *refusals[:repeated]])
    (town.directory / "opt_outs.csv").write_text(lines + "\n", "utf-8")

    first = town.ingest()
    assert_sums(first)
    assert_refused(town)
    known = known_before(town.records(), day_of(DURING))
    before = known.present.sum()

    second = town.ingest()
    assert_sums(second)
    for table, counts in second.tables.items():
        assert (counts.new, counts.corrected) == (0, 0), table
    assert_refused(town)
    assert known_before(town.records(), day_of(DURING)).present.sum() == before


def assert_sums(report) -> None:
    for table, one in report.tables.items():
        assert one.new + one.corrected + one.unchanged + one.repeated + one.quarantined == one.read, table


def assert_refused(town: TinyTown) -> None:
    """Every household that refuses is refused as known now; an unreadable end never ends a refusal."""
    records = town.records()
    known = known_before(records, day_of(DURING))
    ids = [str(one) for one in records.household_ids]
    assert all(known.opted_out[ids.index(household)] for household in REFUSING)
