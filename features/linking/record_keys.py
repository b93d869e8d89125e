"""The key of a record: the same for the same door, people and telephones, however they are written."""

import pandas as pd

from features.linking.doors import read_door
from features.linking.mentioned import EVIDENCE, texts_of
from features.linking.names import read_persons
from features.linking.phones import read_phones


def record_keys(rows: pd.DataFrame) -> list[str]:
    """Return one key for each row of columns address, person and phone.

    >>> one = {"address": ["3幢2单元501"], "person": ["王 阿姨"], "phone": ["138-0000 1234"]}
    >>> other = {"address": ["三栋二单元501室"], "person": ["王女士"], "phone": ["13800001234"]}
    >>> record_keys(pd.DataFrame(one)) == record_keys(pd.DataFrame(other))
    True
    """
    return [_key(*texts) for texts in zip(*(texts_of(rows, column) for column in EVIDENCE), strict=True)]


def _key(address: str, person: str, phone: str) -> str:
    door = read_door(address)
    where = f"{'/'.join(door.places)}{door.numbers}" if door else address.strip()
    who = "/".join(name.name for name in read_persons(person)) or person.strip()
    return f"{where}\t{who}\t{'/'.join(read_phones(phone))}"
