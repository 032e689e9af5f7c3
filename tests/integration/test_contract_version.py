"""A program older or newer than its tables refuses to start, and says which side to bring up to date."""

from __future__ import annotations

from datetime import date

import pytest

from credit_consumer.errors import NotReady
from credit_expectations.run import run_due
from credit_platforms.session import open_session
from credit_schemas.dataset import load_schemas
from credit_schemas.publicity import add_months
from credit_warehouse.contract import OutOfStep
from events import build_world
from newer import later, migrated, put, version_two
from unit.rows import PENALTY


@pytest.fixture
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", "any")


def test_a_consumer_newer_than_its_tables_asks_for_migrate_and_starts_after_it(world):
    newer = later(world)
    with pytest.raises(NotReady) as told:
        newer.consume()
    assert "数据库比本程序旧" in str(told.value)
    assert "第 2 版" in str(told.value)
    assert "请先执行 credit migrate" in str(told.value)
    assert told.value.retriable is False
    migrated(newer)
    assert newer.load(newer.event("market", PENALTY)) == {"loaded": 1}


def test_every_service_older_than_its_tables_asks_for_a_newer_program(world, address):
    newer = later(world)
    migrated(newer)
    with pytest.raises(NotReady, match=r"本程序比数据库旧.*第 2 版（本程序是第 1 版）.*不要用旧程序"):
        world.consume()
    with pytest.raises(OutOfStep, match="本程序比数据库旧"):
        run_due(settings=world.settings)
    with pytest.raises(OutOfStep, match="本程序比数据库旧"), open_session("province", None, world.settings):
        pass


def test_services_of_the_same_age_start(world, address):
    assert world.load(world.event("market", PENALTY)) == {"loaded": 1}
    assert run_due(settings=world.settings)["slices"] >= 1
    with open_session("province", None, world.settings) as session:
        assert session.con


def test_an_older_program_cannot_migrate_a_newer_database(world):
    newer = later(world)
    migrated(newer)
    with pytest.raises(OutOfStep, match="不要用旧程序执行 credit migrate"):
        migrated(world)
    newer.load(newer.event("market", PENALTY))
    assert newer.one("SELECT count(*) FROM core.penalty")[0] == 1


def test_a_migration_this_program_does_not_know_means_that_it_is_the_older(world):
    world.query(
        "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) VALUES ('x', '9999_later', now())"
    )
    with pytest.raises(NotReady, match="本程序比数据库旧，不认识：迁移 9999_later"):
        world.consume()
    with pytest.raises(OutOfStep):
        migrated(world)


def test_a_dataset_this_program_does_not_know_means_that_it_is_the_older_until_it_is_retired(world):
    another = {"dataset": "extra", "name": "Extra", "version": 1, "cn": "另一", "national_table": None}
    more = later(
        world,
        "more",
        lambda folder: put(folder, version_two() | another),
    )
    migrated(more)
    with pytest.raises(NotReady, match="不认识：数据集 extra"):
        world.consume()
    migrated(world, retired=("extra",))
    assert world.load(world.event("market", PENALTY)) == {"loaded": 1}
    assert world.one("SELECT to_regclass('core.extra') IS NOT NULL")[0], "its table stays"
    migrated(more)
    with pytest.raises(NotReady, match="不认识：数据集 extra"):
        world.consume()


def test_a_version_altered_after_its_tables_were_made_is_refused(world):
    newer = later(world)
    migrated(newer)
    altered = version_two()
    altered["fields"][0]["type"] = ["null", "bytes"]
    forged = later(world, "forged", lambda folder: put(folder, altered))
    with pytest.raises(NotReady, match="已发布的版本不能改"):
        forged.consume()
    with pytest.raises(OutOfStep, match="结构编号 2002"):
        migrated(forged)


def test_a_column_that_is_gone_from_a_table_is_found_before_a_row_fails(world):
    world.query("ALTER TABLE core.penalty DROP COLUMN bz CASCADE")
    with pytest.raises(NotReady, match="行政处罚（penalty）的列 bz"):
        world.consume()
    migrated(world)
    assert world.load(world.event("market", PENALTY)) == {"loaded": 1}


def test_what_the_tables_were_made_for_is_written_down(world):
    migrated(world)
    rows = world.query("SELECT dataset, version, schema_id FROM core.known_schema WHERE retired_at IS NULL")
    assert {tuple(r) for r in rows} == {
        (d.id, d.version, d.schema_id) for d in world.center.catalogue.datasets.values()
    }
    assert {r["schema_id"] for r in rows} <= {s["schema_id"] for s in load_schemas()}


def test_the_consumer_prepares_the_months_ahead_by_itself(world):
    """Nobody need run `credit migrate` for it; rows that came early move into their month."""
    ahead = add_months(date.today().replace(day=1), 14)
    month = f"landing.event_{ahead:%Y_%m}"
    assert world.one("SELECT to_regclass(%s) IS NOT NULL", [month])[0]
    world.query(f"DROP TABLE {month}")
    assert world.load(world.event("market", PENALTY)) == {"loaded": 1}
    assert world.one("SELECT to_regclass(%s) IS NOT NULL", [month])[0]
    owner = world.one("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass", [month])[0]
    assert owner == "credit_owner"
