"""A page is the same from whichever end it is read, and never far from it."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, select

from services.api.lists import from_nearer_end, latest_first

ROWS = 7
TABLE = Table("rows", MetaData(), Column("day", Integer), Column("number", Integer, primary_key=True))


@pytest.mark.parametrize("latest", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, ROWS, 100])
def test_every_page_from_the_nearer_end(limit: int, latest: bool) -> None:
    engine = create_engine("sqlite://")
    rows = [(number // 3, number) for number in range(ROWS)]
    wanted = rows[::-1] if latest else rows
    order = latest_first(list(TABLE.c)) if latest else list(TABLE.c)
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(TABLE.insert(), [{"day": day, "number": number} for day, number in rows])
        for offset in range(ROWS + 3):
            page = from_nearer_end(select(TABLE), order, ROWS, limit, offset)
            found = [(row.day, row.number) for row in connection.execute(page)]
            assert sorted(found, reverse=latest) == wanted[offset : offset + limit]
            passed = page.compile().params["param_2"]
            assert passed <= ROWS // 2


def test_there_is_no_page_of_an_empty_list() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        page = from_nearer_end(select(TABLE), list(TABLE.c), 0, 10, 0)
        assert connection.execute(page).all() == []
