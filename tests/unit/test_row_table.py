"""The rows of a batch stay in the first slots, and each row finds in its slot what it has read."""

import random
from dataclasses import dataclass

from qwen_engine.row_table import RowTable


@dataclass(eq=False)
class Row:
    name: str
    positions: int


def test_the_last_row_moves_into_the_gap() -> None:
    slots: dict[int, str] = {}
    rng = random.Random(1)

    def move(source: int, target: int, length: int) -> None:
        slots[target] = slots[source][:length]

    rows: RowTable[Row] = RowTable(move)
    for number in range(200):
        if rows and rng.random() < 0.45:
            rows.remove(rng.choice(rows))
        name = f"{number:03}"
        slots[len(rows)] = name + "of an earlier row"
        rows.append(Row(name, len(name)))
        assert [slots[index][: row.positions] for index, row in enumerate(rows)] == [row.name for row in rows]
