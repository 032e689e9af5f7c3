"""The sandbox platform as it is run: the real program in a process of its own, spoken to over HTTP."""

import hashlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox_client import (
    PERSON_NUMBER,
    SandboxClient,
    end,
    licence,
    penalty,
    person,
    put,
    running_sandbox,
    write_clients,
)


@pytest.fixture(scope="module")
def province(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("province")) as running:
        yield running


@pytest.fixture
def county(province):
    """A reporting client; all switches are off before and after."""
    ops = province.client("ops")
    ops.call("DELETE", "/v1/admin/switches")
    yield province.client()
    ops.call("DELETE", "/v1/admin/switches")


@pytest.fixture
def ops(province):
    return province.client("ops")


def new_no():
    return str(uuid.uuid4())


def refused(answer):
    return answer.status_code, answer.json()["code"]


# -- who is asking ---------------------------------------------------------------------------------------------


def test_a_request_without_signature_is_refused_but_health_is_open(province):
    assert refused(httpx.get(f"{province.url}/v1/records?table=xzcf")) == (401, "E1001")
    assert httpx.get(f"{province.url}/health").json()["persona"] == "province"
    assert httpx.get(f"{province.url}/openapi.json").status_code == 404


def test_a_wrong_key_and_an_unknown_client_are_refused(province):
    assert refused(SandboxClient(province.url, "county", "f" * 32).get("/v1/records?table=xzcf")) == (401, "E1004")
    assert refused(SandboxClient(province.url, "nobody", "f" * 32).get("/v1/records?table=xzcf")) == (401, "E1002")


@pytest.mark.parametrize("changed", ["method", "path", "query", "body"])
def test_nothing_of_a_signed_request_can_be_changed(county, changed):
    body = b"{}"
    headers = county.headers("PUT", "/v1/admin/switches?a=1", body)
    method, target = "PUT", "/v1/admin/switches?a=1"
    if changed == "method":
        method = "DELETE"
    elif changed == "path":
        target = "/v1/admin/stats?a=1"
        method = "GET"
        headers = county.headers("GET", "/v1/admin/switches?a=1", body)
    elif changed == "query":
        target = "/v1/admin/switches?a=2"
    else:
        body = b'{"unavailable": true}'
    assert refused(county.http.request(method, target, content=body, headers=headers)) == (401, "E1004")


def test_a_replayed_request_is_refused(county):
    headers = county.headers("GET", "/v1/records?table=xzcf")
    assert county.http.get("/v1/records?table=xzcf", headers=headers).status_code == 200
    assert refused(county.http.get("/v1/records?table=xzcf", headers=headers)) == (401, "E1005")


def test_two_clients_may_happen_to_use_one_nonce(province, county):
    target, nonce = "/v1/records?table=xzcf", uuid.uuid4().hex
    for client in (county, province.client("other")):
        assert client.http.get(target, headers=client.headers("GET", target, nonce=nonce)).status_code == 200


@pytest.mark.parametrize(
    "timestamp",
    [
        (datetime.now(UTC) - timedelta(minutes=20)).isoformat(),
        (datetime.now(UTC) + timedelta(minutes=20)).isoformat(),
        datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "yesterday",
    ],
    ids=["old", "early", "without a zone", "unreadable"],
)
def test_an_old_early_or_unreadable_time_is_refused(county, timestamp):
    headers = county.headers("GET", "/v1/records?table=xzcf", timestamp=timestamp)
    assert refused(county.http.get("/v1/records?table=xzcf", headers=headers)) == (401, "E1003")


def test_a_clock_two_minutes_off_is_tolerated_and_z_is_utc(county):
    early = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = county.headers("GET", "/v1/records?table=xzcf", timestamp=early)
    assert county.http.get("/v1/records?table=xzcf", headers=headers).status_code == 200


def test_reporting_and_administering_are_two_roles(county, ops):
    assert refused(county.get("/v1/admin/stats")) == (403, "E1006")
    assert refused(county.call("PUT", "/v1/admin/switches", {"unavailable": True})) == (403, "E1006")
    assert refused(ops.post_batch("xzcf", [put(penalty())])) == (403, "E1006")


# -- batches ---------------------------------------------------------------------------------------------------


def test_good_rows_pass_beside_bad_ones_and_each_row_has_its_verdict(county):
    lines = [put(penalty()), put(penalty(CF_JDRQ="2026-05-16")), put(penalty(CF_NR_FK=None, CF_YJ=""))]
    first, second, third = county.send("xzcf", lines)
    assert (first["result"], first["code"], first["message"]) == ("accepted", "00000", "已接收")
    assert first["external_no"].startswith("HN41-XZCF-")
    assert (second["result"], second["code"], second["external_no"]) == ("rejected", "10006", None)
    assert "CF_JDRQ" in second["message"]
    assert "YYYY/MM/DD" in second["message"]
    assert [(p["code"], p["column"]) for p in third["problems"]] == [("10001", "CF_YJ"), ("10002", "CF_NR_FK")]
    assert [r["record_no"] for r in (first, second, third)] == [line["record_no"] for line in lines]
    assert [r["line"] for r in (first, second, third)] == [1, 2, 3]
    assert county.get(f"/v1/records/{lines[0]['record_no']}").json()["state"] == "live"
    assert refused(county.get(f"/v1/records/{lines[1]['record_no']}")) == (404, "E1202")


def test_the_same_key_and_body_gets_the_same_answer_and_is_applied_once(county, ops):
    batch_id, rows = new_no(), [put(penalty()), put(penalty())]
    first = county.post_batch("xzcf", rows, batch_id)
    before = ops.get("/v1/admin/stats").json()
    receipt = county.get(f"/v1/batches/{batch_id}").json()
    again = county.post_batch("xzcf", rows, batch_id)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (202, first.content)
    assert ops.get("/v1/admin/stats").json()["verdicts"] == before["verdicts"]
    assert county.get(f"/v1/batches/{batch_id}").json() == receipt


def test_the_same_content_written_in_another_order_is_the_same_body(county):
    batch_id, line = new_no(), put(penalty())
    assert county.post_batch("xzcf", [line], batch_id).status_code == 202
    turned = dict(reversed(line.items())) | {"data": dict(reversed(line["data"].items()))}
    assert county.post_batch("xzcf", [turned], batch_id).status_code == 202


def test_the_same_key_with_another_body_is_a_conflict(county):
    batch_id, line = new_no(), put(penalty())
    county.post_batch("xzcf", [line], batch_id)
    assert refused(county.post_batch("xzcf", [line | {"revision": 2}], batch_id)) == (409, "E1106")
    assert county.get(f"/v1/records/{line['record_no']}").json()["revision"] == 1


def test_a_batch_that_never_arrived_is_unknown_and_another_clients_batch_too(province, county):
    answer = county.get(f"/v1/batches/{new_no()}")
    assert refused(answer) == (404, "E1201")
    assert answer.json()["error"] == "unknown batch"
    batch_id, line = new_no(), put(penalty())
    county.post_batch("xzcf", [line], batch_id)
    assert refused(province.client("other").get(f"/v1/batches/{batch_id}")) == (404, "E1201")
    assert refused(province.client("other").get(f"/v1/records/{line['record_no']}")) == (404, "E1202")


def test_500_rows_are_a_batch_and_501_are_too_many(county):
    rows = [put(penalty()) for _ in range(501)]
    assert refused(county.post_batch("xzcf", rows)) == (413, "E1103")
    verdicts = county.send("xzcf", rows[:500])
    assert [v["code"] for v in verdicts] == ["00000"] * 500
    assert len({v["external_no"] for v in verdicts}) == 500


def test_a_body_over_the_limit_is_refused_unread(province):
    connection = http.client.HTTPConnection(province.url.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.putrequest("POST", "/v1/batches")
        connection.putheader("Content-Length", str(64 * 1024 * 1024))
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "E1104")


def test_a_body_of_unknown_length_is_refused(county):
    head = county.headers("POST", "/v1/batches", b"{}")
    assert refused(county.http.post("/v1/batches", headers=head, content=iter([b"{}"]))) == (411, "E1105")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"table": "xzcf", "rows": [put(penalty())]},
        {"batch_id": new_no(), "table": 1, "rows": [put(penalty())]},
        {"batch_id": new_no(), "table": "xzcf", "rows": []},
        {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty()) | {"op": "delete"}]},
        {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty(), "17")]},
        {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty(), revision=0)]},
        {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty()) | {"revision": "1"}]},
        {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty()) | {"data": [1]}]},
        {"batch_id": new_no(), "table": "xzcf", "rows": ["x"]},
    ],
)
def test_a_broken_envelope_refuses_the_whole_batch_and_says_what_is_wrong(county, document):
    key = document["batch_id"] if isinstance(document, dict) and "batch_id" in document else new_no()
    answer = county.call("POST", "/v1/batches", document, **{"Idempotency-Key": key})
    assert refused(answer) == (400, "E1101")
    assert refused(county.get(f"/v1/batches/{key}")) == (404, "E1201")


@pytest.mark.parametrize("body", [b"not json", b"\xff\xfe", b"[" * 200_000])
def test_a_body_that_is_no_json_is_refused(county, body):
    headers = county.headers("POST", "/v1/batches", body) | {"Idempotency-Key": new_no()}
    assert refused(county.http.post("/v1/batches", content=body, headers=headers)) == (400, "E1101")


def test_the_idempotency_key_must_be_the_batch_id(county):
    document = {"batch_id": new_no(), "table": "xzcf", "rows": [put(penalty())]}
    assert refused(county.call("POST", "/v1/batches", document)) == (400, "E1102")
    answer = county.call("POST", "/v1/batches", document, **{"Idempotency-Key": new_no()})
    assert refused(answer) == (400, "E1102")


def test_half_a_surrogate_pair_is_stored_without_harm(county):
    batch_id = new_no()
    document = {"batch_id": batch_id, "table": "xzcf", "rows": [put(penalty(BZ="注\ud83d"))]}
    body = json.dumps(document).encode()
    headers = county.headers("POST", "/v1/batches", body) | {"Idempotency-Key": batch_id}
    assert county.http.post("/v1/batches", content=body, headers=headers).status_code == 202
    assert county.verdicts(batch_id)[0]["code"] == "00000"


def test_natural_persons_come_with_their_number_in_clear(county):
    masked = person("xzcf", CF_XDR_ZJHM="110105********002X")
    verdicts = county.send("xzcf", [put(person("xzcf")), put(masked)])
    assert [v["code"] for v in verdicts] == ["00000", "10010"]


# -- versions, ends, duplicates --------------------------------------------------------------------------------


def test_revisions_only_go_forward(county):
    no, row = new_no(), penalty()

    def revise(revision, data):
        return county.send("xzcf", [put(data, no, revision)])[0]

    first = revise(3, row)
    assert revise(2, row | {"BZ": "旧"})["code"] == "20002"
    assert (revise(3, row)["result"], revise(3, row)["code"]) == ("accepted", "00001")
    assert revise(3, row | {"BZ": "改"})["code"] == "20003"
    newer = revise(7, row | {"BZ": "新"})
    assert newer["code"] == "00000"
    assert newer["external_no"] == first["external_no"]
    assert county.get(f"/v1/records/{no}").json()["revision"] == 7


def test_a_rejected_revision_leaves_the_live_copy_as_it_was(county):
    no, row = new_no(), penalty()
    county.send("xzcf", [put(row, no)])
    held = county.get(f"/v1/records/{no}").json()
    assert county.send("xzcf", [put(row | {"CF_WSH": ""}, no, 2)])[0]["result"] == "rejected"
    assert county.get(f"/v1/records/{no}").json() == held


def test_an_end_withdraws_the_copy_and_only_a_higher_revision_revives_it(county):
    no, row = new_no(), penalty()
    county.send("xzcf", [put(row, no, 2)])
    assert county.send("xzcf", [end(no, 1)])[0]["code"] == "20002"
    assert county.send("xzcf", [end(no, 2)])[0]["code"] == "00002"
    assert county.get(f"/v1/records/{no}").json()["state"] == "ended"
    assert county.send("xzcf", [end(no, 2)])[0]["code"] == "00001"
    assert county.send("xzcf", [put(row, no, 2)])[0]["code"] == "20004"
    assert county.send("xzcf", [put(row, no, 3)])[0]["code"] == "00000"
    assert county.get(f"/v1/records/{no}").json()["state"] == "live"


def test_the_end_of_an_unknown_record_is_accepted_and_stops_the_put_it_overtook(county):
    no = new_no()
    ended = county.send("xzcf", [end(no, 2)])[0]
    assert (ended["result"], ended["code"]) == ("accepted", "00003")
    assert county.send("xzcf", [put(penalty(), no, 1)])[0]["code"] == "20002"
    assert county.get(f"/v1/records/{no}").json()["state"] == "ended"


def test_one_decision_has_one_live_record_whoever_sends_it(province, county):
    row, first = penalty(), new_no()
    county.send("xzcf", [put(row, first)])
    other_brackets = row | {"CF_WSH": row["CF_WSH"].replace("〔", "[").replace("〕", "]")}
    assert county.send("xzcf", [put(other_brackets)])[0]["code"] == "20001"
    assert province.client("other").send("xzcf", [put(row)])[0]["code"] == "20001"
    county.send("xzcf", [end(first, 2)])
    assert county.send("xzcf", [put(row)])[0]["code"] == "00000"
    assert county.send("xzcf", [put(row, first, 3)])[0]["code"] == "20001"


def test_a_record_stays_in_its_table(county):
    no = new_no()
    county.send("xzcf", [put(penalty(), no)])
    assert county.send("xzxk", [put(licence(), no, 2)])[0]["code"] == "20005"


# -- reconciliation --------------------------------------------------------------------------------------------


def test_paging_meets_every_live_copy_once_and_no_ended_one(tmp_path):
    with running_sandbox(tmp_path) as running:
        county = running.client()
        rows = [put(licence()) for _ in range(25)]
        county.send("xzxk", rows)
        county.send("xzcf", [put(penalty())])
        county.send("xzxk", [end(rows[0]["record_no"], 2)])
        met, after = [], ""
        while after is not None:
            page = county.get(f"/v1/records?table=xzxk&after={after}&limit=10").json()
            met += page["records"]
            after = page["next"]
        assert [r["record_no"] for r in met] == sorted(r["record_no"] for r in rows[1:])
        assert {r["state"] for r in met} == {"live"}
        assert running.client("other").get("/v1/records?table=xzxk").json() == {"records": [], "next": None}


def test_the_digest_of_a_copy_can_be_computed_by_the_sender(county):
    no, row = new_no(), penalty(BZ="", CF_XDR_GSZC=None)
    county.send("xzcf", [put(row, no)])
    text = json.dumps({k: v for k, v in row.items() if v}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert county.get(f"/v1/records/{no}").json()["digest"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("query", ["?table=xzcf&limit=0", "?table=xzcf&limit=1001", "?table=xzcf&limit=x"])
def test_a_wrong_page_request_is_refused(county, query):
    assert refused(county.get(f"/v1/records{query}")) == (400, "E1107")


# -- failure switches ------------------------------------------------------------------------------------------


def test_a_table_the_platform_does_not_have_is_said_so(county):
    assert refused(county.post_batch("nothing", [put(penalty())])) == (400, "E1108")
    for query in ("", "?table=nothing"):
        assert refused(county.get(f"/v1/records{query}")) == (400, "E1108")


def test_slow_answers_at_once_and_judges_later(county, ops):
    ops.switch(slow_ms=1200)
    batch_id, line = new_no(), put(penalty())
    assert county.post_batch("xzcf", [line], batch_id).status_code == 202
    receipt = county.get(f"/v1/batches/{batch_id}").json()
    assert (receipt["state"], receipt["rows"]) == ("processing", [])
    assert refused(county.get(f"/v1/records/{line['record_no']}")) == (404, "E1202")
    assert county.verdicts(batch_id)[0]["code"] == "00000"


def test_unavailable_closes_everything_but_health_and_admin(province, county, ops):
    ops.switch(unavailable=True)
    answer = county.post_batch("xzcf", [put(penalty())])
    assert refused(answer) == (503, "E5001")
    assert answer.headers["retry-after"] == "5"
    assert county.get("/v1/records?table=xzcf").status_code == 503
    assert httpx.get(f"{province.url}/health").status_code == 200
    assert ops.get("/v1/admin/switches").json()["unavailable"] is True
    ops.switch(unavailable=False)
    assert county.get("/v1/records?table=xzcf").status_code == 200


def test_unavailable_after_apply_has_applied_and_a_query_tells(county, ops):
    ops.switch(unavailable_after_apply=True)
    batch_id, line = new_no(), put(penalty())
    assert refused(county.post_batch("xzcf", [line], batch_id)) == (503, "E5001")
    assert county.verdicts(batch_id)[0]["code"] == "00000"
    ops.switch(unavailable_after_apply=False)
    assert county.post_batch("xzcf", [line], batch_id).status_code == 202
    assert len(county.verdicts(batch_id)) == 1


def test_drop_response_applies_and_cuts_the_connection_without_an_answer(county, ops):
    ops.switch(drop_response=True)
    batch_id, line = new_no(), put(penalty())
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response") as caught:
        county.post_batch("xzcf", [line], batch_id)
    assert isinstance(caught.value, httpx.TransportError)
    assert county.verdicts(batch_id)[0]["code"] == "00000"


def test_duplicate_delivery_returns_every_row_twice(county, ops):
    ops.switch(duplicate_delivery=True)
    lines = [put(penalty()), put(penalty())]
    numbers = [v["record_no"] for v in county.send("xzcf", lines)]
    assert numbers == [line["record_no"] for line in lines for _ in range(2)]


def test_reject_percent_rejects_the_same_records_every_time(county, ops):
    ops.switch(reject_percent=40, reject_code="30001")
    lines = [put(penalty()) for _ in range(60)]
    first = [v["code"] for v in county.send("xzcf", lines)]
    second = [v["code"] for v in county.send("xzcf", lines)]
    assert set(first) == {"00000", "30001"}
    assert [c == "30001" for c in first] == [c == "30001" for c in second]
    ops.switch(reject_percent=0)
    assert {v["result"] for v in county.send("xzcf", lines)} == {"accepted"}


def test_lost_rows_never_get_a_verdict_and_were_not_applied(county, ops):
    ops.switch(lose_percent=50)
    batch_id, lines = new_no(), [put(penalty()) for _ in range(40)]
    county.post_batch("xzcf", lines, batch_id)
    receipt = county.get(f"/v1/batches/{batch_id}").json()
    told = {r["record_no"] for r in receipt["rows"]}
    assert receipt["state"] == "processing"
    assert 5 < len(told) < 35
    lost = [line for line in lines if line["record_no"] not in told]
    assert refused(county.get(f"/v1/records/{lost[0]['record_no']}")) == (404, "E1202")
    ops.switch(lose_percent=0)
    assert county.get(f"/v1/batches/{batch_id}").json()["state"] == "processing"
    assert {v["code"] for v in county.send("xzcf", lost)} == {"00000"}


@pytest.mark.parametrize(
    "wanted",
    [
        {"slow": 1},
        {"slow_ms": -1},
        {"slow_ms": True},
        {"unavailable": 1},
        {"reject_percent": 101},
        {"reject_code": "x"},
        [],
    ],
)
def test_a_wrong_switch_changes_nothing(county, ops, wanted):
    before = ops.get("/v1/admin/switches").json()
    assert refused(ops.call("PUT", "/v1/admin/switches", wanted)) == (400, "E1301")
    assert ops.get("/v1/admin/switches").json() == before


# -- personas, durability, load --------------------------------------------------------------------------------


def test_the_nation_wants_its_own_date_form_and_numbers(tmp_path):
    with running_sandbox(tmp_path, "nation") as running:
        county = running.client()
        national = penalty(CF_JDRQ="2026-05-16", CF_YXQ="2099-12-31", CF_GSJZQ="2027-05-16")
        good, bad = county.send("xzcf", [put(national), put(penalty())])
        assert good["external_no"].startswith("CN00-XZCF-")
        assert (bad["code"], bad["result"]) == ("10006", "rejected")


def test_a_platform_that_cannot_withdraw_says_so_and_keeps_the_copy(tmp_path):
    with running_sandbox(tmp_path, options=["--no-withdraw"]) as running:
        county, no = running.client(), new_no()
        county.send("xzcf", [put(penalty(), no)])
        verdict = county.send("xzcf", [end(no, 2)])[0]
        assert (verdict["result"], verdict["code"]) == ("rejected", "E4001")
        assert county.get(f"/v1/records/{no}").json()["state"] == "live"


def test_250_concurrent_batches_are_all_there(province, county):
    batches = {new_no(): [put(penalty()) for _ in range(4)] for _ in range(250)}
    with httpx.Client(base_url=province.url, timeout=60, limits=httpx.Limits(max_connections=250)) as http_pool:

        def post(batch_id):
            body = json.dumps({"batch_id": batch_id, "table": "xzcf", "rows": batches[batch_id]}).encode()
            headers = county.headers("POST", "/v1/batches", body) | {"Idempotency-Key": batch_id}
            return http_pool.post("/v1/batches", content=body, headers=headers).status_code

        with ThreadPoolExecutor(250) as pool:
            answers = list(pool.map(post, batches))
            # The same again at the same time: every batch is answered, none is applied twice.
            answers += pool.map(post, [b for b in list(batches)[:50] for _ in range(3)])
    assert answers == [202] * 400
    numbers = set()
    for batch_id in batches:
        receipt = county.get(f"/v1/batches/{batch_id}").json()
        assert (receipt["state"], {r["code"] for r in receipt["rows"]}) == ("done", {"00000"})
        numbers |= {r["external_no"] for r in receipt["rows"]}
    assert len(numbers) == 1000


def test_a_killed_platform_still_has_what_it_acknowledged(tmp_path):
    no, waiting, batch_id, row = new_no(), put(penalty()), new_no(), penalty()
    with running_sandbox(tmp_path) as running:
        county = running.client()
        receipt = county.send("xzcf", [put(row, no)])
        headers = county.headers("GET", f"/v1/records/{no}")
        held = county.http.get(f"/v1/records/{no}", headers=headers).json()
        running.client("ops").switch(slow_ms=1500)
        assert county.post_batch("xzcf", [waiting], batch_id).status_code == 202
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
    with running_sandbox(tmp_path) as running:
        county = running.client()
        assert county.get(f"/v1/records/{no}").json() == held
        assert county.send("xzcf", [put(row, no)])[0]["external_no"] == receipt[0]["external_no"]
        assert refused(county.http.get(f"/v1/records/{no}", headers=headers)) == (401, "E1005")
        # The batch that was waiting is judged after the restart, once, and the switches are off again.
        assert county.post_batch("xzcf", [waiting], batch_id).status_code == 202
        assert [v["code"] for v in county.verdicts(batch_id)] == ["00000"]
        assert running.client("ops").get("/v1/admin/switches").json()["slow_ms"] == 0


def test_no_personal_value_stays_in_store_or_log(tmp_path):
    with running_sandbox(tmp_path) as running:
        county, ops = running.client(), running.client("ops")
        county.send("xzcf", [put(person("xzcf", CF_XDR_MC="欧阳测试人"))])
        county.send("xzcf", [put(person("xzcf", CF_XDR_MC="欧阳测试人", CF_JDRQ="x"))])
        ops.switch(slow_ms=300)
        county.send("xzcf", [put(person("xzcf", CF_XDR_MC="欧阳测试人"))])
        running.process.terminate()
        assert running.process.wait(timeout=20) in (0, -signal.SIGTERM)
    kept = b"".join(f.read_bytes() for f in tmp_path.iterdir() if f.name != "clients.json")
    assert len(kept) > 10_000
    assert PERSON_NUMBER.encode() not in kept
    assert "欧阳测试人".encode() not in kept
    assert b"\\u6b27\\u9633" not in kept


def test_stats_count_what_happened(tmp_path):
    with running_sandbox(tmp_path) as running:
        county, ops = running.client(), running.client("ops")
        lines = [put(penalty()), put(penalty()), put(penalty(CF_YJ=""))]
        county.send("xzcf", lines)
        county.send("xzcf", [end(lines[0]["record_no"], 2)])
        counts = ops.get("/v1/admin/stats").json()
        assert counts["batches"] == {"received": 2, "waiting": 0, "rows": 4}
        assert counts["verdicts"] == {"accepted": 3, "rejected": 1}
        assert counts["codes"] == {"00000": 2, "00002": 1, "10001": 1}
        assert counts["records"] == {"xzcf.ended": 1, "xzcf.live": 1}
        assert counts["answers"]["202"] == 2


def test_the_store_is_in_wal_mode_and_belongs_to_one_persona(tmp_path):
    with running_sandbox(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    code, words = start_and_fail(tmp_path, "nation")
    assert code == 2
    assert "province" in words


def test_a_clients_file_that_cannot_be_used_is_explained(tmp_path):
    for content, words in [
        ("{", "格式不对"),
        ('{"clients": [{"id": "a", "key": "short", "role": "report"}]}', "第 1 项"),
    ]:
        (tmp_path / "clients.json").write_text(content, "utf-8")
        code, said = start_and_fail(tmp_path, "province", write=False)
        assert code == 2
        assert words in said
        assert "short" not in said
        assert "Traceback" not in said


def start_and_fail(folder, persona, write=True):
    if write:
        write_clients(folder / "clients.json")
    command = [sys.executable, "-m", "credit_platforms.sandbox", "--persona", persona, "--port", "1"]
    command += ["--store", str(folder / "store.sqlite"), "--clients", str(folder / "clients.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_the_platform_stops_when_asked(tmp_path):
    with running_sandbox(tmp_path) as running:
        started = time.monotonic()
        running.process.terminate()
        running.process.wait(timeout=20)
        assert time.monotonic() - started < 10
        assert "Traceback" not in running.log.read_text("utf-8")
