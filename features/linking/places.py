"""Find which estate, village or road of the register a written name means: exactly, by an alias, in part, or alike."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from features.linking.doors import plain_address
from features.linking.names import sound_of

_GENERIC = re.compile(
    r"(?:住宅小区|小区|社区|新村|花园|公寓|家园|住宅区|宿舍区?|家属[院区楼]|生活区|行政村|村委会|村民?)$"
)
ALIKE = 75.0  # similarity in percent from which a name of three signs or more may be a slip of the pen
FEWEST_TOGETHER = 2  # addresses in which two names stand together, from which both mean the same place


@dataclass(frozen=True)
class Places:
    """The register's places.

    ``place_of``: number of the place that each name of the register or alias means. ``cores``: numbers by the name
    without words such as 小区.
    """

    place_of: Mapping[str, int]
    cores: Mapping[str, frozenset[int]]

    def find(self, name: str) -> tuple[frozenset[int], bool]:
        """Return the places that a name may mean, and whether it is written as in the register; none where unknown."""
        if name in self.place_of:
            return frozenset((self.place_of[name],)), True
        # the name with a district before it, or a section (二期) left out
        inside = [
            known
            for known in self.place_of
            if (
                len(known) > 1
                and (name.endswith(known) or (name.startswith(known) and not name.endswith("号")))
            )
        ]
        if inside:
            longest = max(map(len, inside))
            return frozenset(self.place_of[known] for known in inside if len(known) == longest), True
        around = (
            [known for known in self.place_of if name in known and not known.endswith("号")]
            if len(name) > 1
            else []
        )
        core = core_of(name)
        places = frozenset(self.place_of[known] for known in around) | self.cores.get(core, frozenset())
        return (places, False) if places else (self._alike(name), False)

    def _alike(self, name: str) -> frozenset[int]:
        """Find the places whose name sounds the same, or differs by a sign."""
        sound = sound_of(name)
        same = frozenset(number for known, number in self.place_of.items() if sound_of(known) == sound)
        if same or len(name) < 3:
            return same
        close = process.extract(name, list(self.place_of), scorer=fuzz.ratio, score_cutoff=ALIKE, limit=3)
        return frozenset(self.place_of[known] for known, score, _ in close if score == close[0][1])


def read_places(
    register: Iterable[tuple[str, ...]],
    aliases: Mapping[str, Sequence[str]],
    records: Iterable[tuple[str, ...]] = (),
) -> Places:
    """Number the places of a register's doors.

    register: names of each door's place; names that always stand together (a road with its number, and an estate) are
        one place.
    aliases: other names by the name of a place, as ``places`` of community.yaml has them.
    records: names of each record's place: one that the register doesn't have, and that stands beside one known place
        only, means that place too.
    """
    held = list(register)
    counted = Counter(name for names in held for name in names)
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for names in [*held, *records]:
        for name in names:
            together[name].update(other for other in names if other != name and other in counted)
    main = {name: name for name in counted}
    for name, others in together.items():
        if len(others) == 1:
            ((other, times),) = others.items()
            if times >= FEWEST_TOGETHER and counted[other] > counted[name]:
                main[name] = other
    for name, others_of in aliases.items():
        plain = plain_address(name)
        main.setdefault(plain, plain)
        main |= {plain_address(other): main[plain] for other in others_of}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(main.values()))}
    place_of = {name: numbers[_end_of(name, main)] for name in main}
    cores: defaultdict[str, set[int]] = defaultdict(set)
    for name, number in place_of.items():
        cores[core_of(name)].add(number)
    return Places(place_of, {core: frozenset(numbers) for core, numbers in cores.items()})


def _end_of(name: str, main: Mapping[str, str]) -> str:
    seen = {name}
    while main[name] not in seen:
        name = main[name]
        seen.add(name)
    return main[name]


def core_of(name: str) -> str:
    """Return a place's name without words such as 小区, where two signs or more are left.

    >>> core_of("西山小区"), core_of("西山花园"), core_of("花园")
    ('西山', '西山', '花园')
    """
    core = _GENERIC.sub("", name)
    return core if len(core) > 1 else name
