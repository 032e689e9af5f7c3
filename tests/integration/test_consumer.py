"""The consumer's promises, on a real broker and database."""

from __future__ import annotations

import pytest

from events import World, build_world
from unit.rows import LEDGER, LICENCE, PENALTY, PERSON, PERSON_PENALTY


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "ecology", "edu"])
    yield made
    made.close()


def test_a_clean_row_of_each_dataset_becomes_a_record(world: World):
    counts = world.load(
        world.event("market", PENALTY),
        world.event("market", LICENCE, dataset="licence"),
        world.event("market", LEDGER, dataset="ledger"),
        world.event("market", PERSON_PENALTY),
    )
    assert counts == {"loaded": 4}
    row = world.one("SELECT * FROM core.penalty WHERE cf_xdr_lb = '法人及非法人组织'")
    assert (row["revision"], row["state"], row["unit"], row["cf_nr_fk"]) == (1, "active", "market", 50_000)
    assert PERSON
