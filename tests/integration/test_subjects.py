"""Who is who (DESIGN, "Subjects"): numbers identify, names never do, and a doubt goes to a person."""

from __future__ import annotations

import itertools
from collections import Counter

import psycopg2
import pytest

from credit_schemas.identifiers import USCC_PLACEHOLDER
from events import World, build_world
from unit.rows import COMPANY, LICENCE, PENALTY, PERSON, PERSON_PENALTY

UNITS = ["market", "edu", "civil", "police", "health"]
SHOP = {**PENALTY, "CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": USCC_PLACEHOLDER, "CF_XDR_MC": "老王小吃店"}
OTHER_COMPANY = "91410421MA0000007D"
_serial = itertools.count(1)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


@pytest.fixture(autouse=True)
def empty(world):
    """Each test begins with nobody known."""
    world.query(
        "TRUNCATE core.penalty, core.licence, core.commitment, core.person, core.subject, core.subject_name,"
        " core.former_key, core.subject_registration, core.collision_decision, audit.credit_report CASCADE"
    )


def number(body17: str) -> str:
    """An 18-digit number with its check character (GB 11643)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body17 + "10X98765432"[sum(int(d) * w for d, w in zip(body17, weights, strict=True)) % 11]


def registration(body14: str) -> str:
    """A registration number with its check digit (GS15-2006, MOD 11,10)."""
    product = 10
    for digit in body14:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return body14 + str((11 - product) % 10)


def report(world: World, unit: str, row: dict, **changed: str) -> None:
    event = world.event(unit, {**row, **changed, "CF_WSH": f"主体〔2026〕{next(_serial)}号"})
    assert world.feed(event) == {"loaded": 1}, world.landed(event)["problems"]


def subjects(world: World, kind: str | None = None) -> list:
    return world.query("SELECT * FROM core.subject WHERE %s IS NULL OR kind = %s ORDER BY subject_id", [kind, kind])


def collisions(world: World) -> list:
    return world.query("SELECT * FROM core.subject_collision WHERE open ORDER BY subject_id")


def links(world: World) -> list:
    return [tuple(r) for r in world.query("SELECT subject_id, same_as FROM core.subject_same_as")]


def shop_with(number: str) -> dict:
    return {**SHOP, "CF_XDR_GSZC": number}


BORN_1905, BORN_2005 = number("41042119050302123"), number("41042120050302123")
SHARED_15 = BORN_1905[:6] + BORN_1905[8:17]
REGISTERED = registration("41042160000123")


def test_numbers_identify_names_never_merge_and_a_shared_short_number_goes_to_a_person(world):
    spellings = ["示例商贸有限公司", "示例商贸公司", "示例商贸有限责任公司", "（示例）商贸有限公司", "示列商贸有限公司"]
    for unit, name in zip(UNITS, spellings, strict=True):
        report(world, unit, PENALTY, CF_XDR_MC=name)
    report(world, "market", SHOP, CF_FRDB="王一")
    report(world, "market", SHOP, CF_FRDB="王二")
    report(world, "market", PERSON_PENALTY)
    report(world, "civil", PERSON_PENALTY, CF_XDR_ZJHM=PERSON[:6] + PERSON[8:17])
    assert Counter(s["kind"] for s in subjects(world)) == {"code": 1, "scoped": 2, "person": 1}
    assert collisions(world) == []

    report(world, "market", PERSON_PENALTY, CF_XDR_MC="赵甲", CF_XDR_ZJHM=BORN_1905)
    report(world, "market", PERSON_PENALTY, CF_XDR_MC="赵乙", CF_XDR_ZJHM=BORN_2005)
    report(world, "police", PERSON_PENALTY, CF_XDR_MC="赵甲", CF_XDR_ZJHM=SHARED_15)
    assert Counter(s["kind"] for s in subjects(world)) == {"code": 1, "scoped": 2, "person": 3}
    found = collisions(world)
    assert [c["kind"] for c in found] == ["short_id", "short_id"]
    assert len({c["about"] for c in found}) == 1
    assert all(c["written_short"] for c in found)

    # Merges by name 0: every subject's records carry one and the same identity.
    identities: dict[int, set] = {}
    for r in world.query("SELECT * FROM core.penalty"):
        code = r["cf_xdr_shxym"] if r["cf_xdr_shxym"] != USCC_PLACEHOLDER else None
        identity = code or r["cf_xdr_zjhm_person"] or (r["unit"], r["cf_frdb"])
        identities.setdefault(r["subject_id"], set()).add(identity)
    assert len(identities) == 6
    assert all(len(found) == 1 for found in identities.values())
    names = world.query(
        "SELECT n.name, n.unit FROM core.subject_name n JOIN core.subject s USING (subject_id) WHERE s.kind = 'code'"
    )
    assert {(n["name"], n["unit"]) for n in names} == set(zip(spellings, UNITS, strict=True))


def test_the_same_name_at_two_units_is_two_code_less_businesses(world):
    report(world, "market", SHOP)
    report(world, "edu", SHOP)
    assert [s["unit"] for s in subjects(world, "scoped")] == ["market", "edu"]


def test_without_an_operator_a_name_alone_merges_nobody(world):
    nameless = {
        **world.dataset("commitment").examples[0],
        "CN_CNRMC": "个体工商户",
        "CN_CNRLB": "个体工商户",
        "CN_CNRDM": USCC_PLACEHOLDER,
    }
    for serial in ("000011", "000012"):
        event = world.event("market", {**nameless, "CN_CNBM": f"41042120260506{serial}"}, dataset="commitment")
        assert world.feed(event) == {"loaded": 1}, world.landed(event)["problems"]
    assert len(subjects(world, "scoped")) == 2


def test_one_person_by_15_and_18_digits_is_one_subject_and_the_15_digits_are_kept(world):
    report(world, "market", PERSON_PENALTY)
    (person,) = world.query("SELECT * FROM core.person")
    assert person["as_written"] is None
    report(world, "civil", PERSON_PENALTY, CF_XDR_ZJHM=PERSON[:6] + PERSON[8:17])
    (person,) = world.query("SELECT * FROM core.person")
    opened = world.center.keys.at_rest.open(person["as_written"], bytes(person["lookup"]).hex())
    assert opened == PERSON[:6] + PERSON[8:17]
    assert len(subjects(world, "person")) == 1
    assert collisions(world) == []


def test_nothing_of_a_collision_holds_a_number(world):
    for digits in (BORN_1905, BORN_2005, SHARED_15):
        report(world, "market", PERSON_PENALTY, CF_XDR_ZJHM=digits)
    shown = "".join(str(list(c)) for c in collisions(world))
    assert collisions(world)
    for digits in (BORN_1905, BORN_2005, SHARED_15):
        assert digits not in shown


def test_a_short_number_first_is_found_to_collide_whichever_comes_later(world):
    report(world, "market", PERSON_PENALTY, CF_XDR_ZJHM=SHARED_15)
    assert collisions(world) == []
    report(world, "market", PERSON_PENALTY, CF_XDR_ZJHM=BORN_2005)
    assert len(subjects(world, "person")) == 2
    assert {c["kind"] for c in collisions(world)} == {"short_id"}


def test_a_short_number_with_two_names_goes_to_a_person_and_is_not_split_by_name(world):
    short = PERSON[:6] + PERSON[8:17]
    report(world, "market", PERSON_PENALTY, CF_XDR_MC="阿依·古丽", CF_XDR_ZJHM=short)
    report(world, "civil", PERSON_PENALTY, CF_XDR_MC="阿依古丽", CF_XDR_ZJHM=short)
    assert collisions(world) == []
    report(world, "edu", PERSON_PENALTY, CF_XDR_MC="李小四", CF_XDR_ZJHM=short)
    assert len(subjects(world, "person")) == 1
    assert [c["kind"] for c in collisions(world)] == ["id_names"]


def test_a_registration_number_identifies_across_units_when_it_is_right(world):
    report(world, "market", shop_with(REGISTERED), CF_FRDB="王一")
    report(world, "edu", shop_with(REGISTERED), CF_XDR_MC="老王小吃", CF_FRDB="王一")
    (one,) = subjects(world)
    assert (one["kind"], one["registration_no"], one["unit"]) == ("registration", REGISTERED, None)
    report(world, "civil", shop_with("0000000000000"))
    report(world, "police", shop_with("0000000000000"))
    assert Counter(s["kind"] for s in subjects(world)) == {"registration": 1, "scoped": 2}


@pytest.mark.parametrize("code_first", [True, False])
def test_a_row_with_both_numbers_links_the_two_subjects_in_either_order(world, code_first):
    both, alone = {**PENALTY, "CF_XDR_GSZC": REGISTERED}, shop_with(REGISTERED)
    for row in (both, alone) if code_first else (alone, both):
        report(world, "market", row)
    (code,), (registered,) = subjects(world, "code"), subjects(world, "registration")
    assert links(world) == [(registered["subject_id"], code["subject_id"])]


def test_a_registration_number_that_two_codes_claim_links_nothing_until_a_person_decides(world):
    report(world, "market", shop_with(REGISTERED))
    report(world, "market", {**PENALTY, "CF_XDR_GSZC": REGISTERED})
    assert len(links(world)) == 1
    report(world, "edu", {**PENALTY, "CF_XDR_SHXYM": OTHER_COMPANY, "CF_XDR_GSZC": REGISTERED})
    assert links(world) == []
    found = collisions(world)
    assert {c["kind"] for c in found} == {"registration"}
    assert len(found) == 3  # both codes and the subject that is known by the number alone
    first, second = (s["subject_id"] for s in subjects(world, "code"))
    (registered,) = subjects(world, "registration")
    world.query(
        "INSERT INTO core.collision_decision (kind, about, parties, subject_id, decided_by, reason)"
        " VALUES ('registration', %s, %s, %s, '核对人', '查阅登记档案')",
        [REGISTERED, [first, second], second],
    )
    assert collisions(world) == []
    assert links(world) == [(registered["subject_id"], second)]


def test_a_registration_number_does_not_make_two_records_of_one(world):
    """The ladder of subjects is not the key of records: reported today and left out tomorrow, it is a correction."""
    row = {**shop_with(REGISTERED), "CF_WSH": "主体〔2026〕登记号"}
    first = world.event("market", row)
    world.feed(first)
    again = world.event("market", {k: v for k, v in row.items() if k != "CF_XDR_GSZC"})
    assert world.feed(again) == {"loaded": 1}
    found = world.one("SELECT record_no, revision FROM core.penalty WHERE cf_wsh = %s", [row["CF_WSH"]])
    assert (found["record_no"], found["revision"]) == (str(first.ce_id), 2)


def test_one_subject_over_two_datasets(world):
    report(world, "market", PENALTY)
    world.feed(world.event("edu", LICENCE, dataset="licence"))
    (one,) = subjects(world)
    assert one["code"] == COMPANY
    assert world.one("SELECT subject_id FROM core.licence")["subject_id"] == one["subject_id"]


def test_only_the_quality_role_may_decide_and_nobody_may_change_a_decision(world):
    insert = (
        "INSERT INTO core.collision_decision (kind, about, parties, decided_by, reason)"
        " VALUES ('id_names', '1', '{1}', 'a', 'b')"
    )
    for service in ("reader", "consumer", "forward"):
        with world.connect(service) as con, con.cursor() as cur, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cur.execute(insert)
        con.close()
    with world.connect("quality") as con, con.cursor() as cur:
        cur.execute(insert)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cur.execute("UPDATE core.collision_decision SET reason = 'c'")
    con.close()
