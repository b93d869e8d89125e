"""How many visits a week each grid has, whoever makes them."""

from types import SimpleNamespace

from service.web.intake.progress import capacity


def person(name: str, grid: str, worker_id: str = "", coordinator: bool = False) -> dict:
    return {"worker_id": worker_id, "name": name, "visits": 3, "coordinator": coordinator, "grid_id": grid}


def row(number: int, name: str, grid: str, worker_id: str | None = None) -> dict:
    household = {"outreach_id": f"o{number}", "household_id": f"h{number}"}
    return {**household, "worker_id": worker_id, "worker_name": name, "grid_id": grid}


def test_micro_grids_that_are_numbered_anew_in_each_grid_have_their_own_worker() -> None:
    people = [person("1", "g0"), person("1", "g1"), person("", "", coordinator=True)]
    rows = [row(0, "1", "g0"), row(1, "1", "g1")]
    taken = [row(0, "邓", "g0", "w0"), rows[1]]
    week = SimpleNamespace(visits=rows, around={"workers": people})
    for shown in (rows, taken):
        grids = capacity(week, shown, ["o1"])
        visits = {grid: sum(one["visits"] for one in workers) for grid, workers in grids.items()}
        assert visits == {"g0": 3, "g1": 3, "": 3}
        assert sum(one["done"] for one in grids["g1"]) == 1


def test_a_coordinator_of_the_whole_town_has_the_visits_of_all_its_partitions() -> None:
    parts = [person("", "", coordinator=True), person("", "", coordinator=True)]
    (coordinator,) = capacity(SimpleNamespace(visits=[], around={"workers": parts}), [], [])[""]
    assert coordinator["visits"] == 6
