"""Summarise a plan, in numbers that can be added up over the partitions of a town, and in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from features.contract.community import Community
from features.language import joined_names, say, say_line
from service.planning.eligibility import left_out_lines
from service.planning.parity import GroupSums, parity_lines
from service.planning.stability import stability_lines
from service.planning.warned_visits import warned_lines
from service.planning.workers import unplaced_lines


@dataclass(frozen=True)
class PlanSums:
    """Numbers on the plan of a town, or of one of its partitions."""

    left_out: Mapping[str, int]  # ``LeftOut.counts``
    idle: tuple[str, ...]  # workers without any area
    bare: int  # areas where nobody visits
    sensitive: bool  # whether there are sensitive needs to list
    coordinated: int  # visits of coordinators
    full: int  # programmes (bits) whose seats kept visits from asking about more
    value: float
    bound: float  # no plan is worth more, once prices of groups are taken off; over all partitions
    warned: int = 0  # households of lists from above that no visit has answered for
    warned_listed: int = 0
    by_turn: bool = False  # values are then places in the turn, which mean nothing to anybody

    @property
    def gap(self) -> float:
        """Return the relative amount by which the best plan may be worth more."""
        return max(0.0, self.bound - self.value) / max(abs(self.value), 1e-12)

    def unlisted(self) -> list[str]:
        """Write a line when there are sensitive needs and no coordinator who may see them; else none."""
        if not self.sensitive or self.coordinated > 0:
            return []
        return say_line(
            "敏感需求只给社区统筹，可工作人员表里没有能走访的统筹（weekly_visits 大于 0），这周没列",
            "sensitive needs are listed for coordinators only; workers has none with weekly_visits above 0",
        )

    def seats(self, community: Community) -> list[str]:
        """Write a line that names the programmes whose seats kept visits from asking more households; else none."""
        names = [
            programme.name.here for at, programme in enumerate(community.programmes) if self.full >> at & 1
        ]
        if not names:
            return []
        listed = joined_names(names)
        return say_line(
            f"名额不多，名单上没有多排户数：{listed}（名额变了就改 programmes 的 seats 或 seats_taken）",
            f"as seats are limited, visits ask fewer households about: {listed}"
            " (see seats and seats_taken of programmes)",
        )

    def optimality(self) -> str:
        """Write how far the chosen visits may be from the best there are."""
        best = self.gap < 5e-5  # 0.00 %
        return say(
            "走访安排：已经是最好的排法" if best else f"走访安排：离最好的排法相差不到 {self.gap:.2%}",
            f"plan: expected value {self.value:.1f}, optimality gap at most {self.gap:.4%}",
        )


def plan_lines(
    sums: PlanSums, community: Community, gone: pd.DataFrame, visits: pd.DataFrame, groups: GroupSums | None
) -> list[str]:
    """Write the notes that stand below a town's lists.

    ``gone``: the households no longer listed (``stability.dropped``). ``visits``: household_id and status of the listed
    visits. ``groups``: what the lists find in each group, where the settings ask for parity.
    """
    parity = community.outreach.parity
    return [
        *warned_lines(sums.warned, sums.warned_listed),
        *unplaced_lines(sums.idle, sums.bare),
        *left_out_lines(sums.left_out),
        *sums.unlisted(),
        *stability_lines(gone, visits),
        *(parity_lines(groups, parity) if groups and parity else []),
        *sums.seats(community),
    ]


def added_up(partitions: Iterable[PlanSums]) -> PlanSums:
    """Add up the numbers of all partitions of a town. A worker is idle who is idle in every partition."""
    all_sums = list(partitions)
    left: Counter[str] = Counter()
    for sums in all_sums:
        left.update(sums.left_out)
    everywhere = set.intersection(*(set(sums.idle) for sums in all_sums))
    full = 0
    for sums in all_sums:
        full |= sums.full
    return PlanSums(
        left_out=left,
        idle=tuple(sorted(everywhere)),
        bare=sum(sums.bare for sums in all_sums),
        sensitive=any(sums.sensitive for sums in all_sums),
        coordinated=sum(sums.coordinated for sums in all_sums),
        full=full,
        value=sum(sums.value for sums in all_sums),
        bound=sum(sums.bound for sums in all_sums),
        warned=sum(sums.warned for sums in all_sums),
        warned_listed=sum(sums.warned_listed for sums in all_sums),
        by_turn=any(sums.by_turn for sums in all_sums),
    )
