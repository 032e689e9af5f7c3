"""`publish_vs_bare_send`: the SDK's whole way of a row ÷ kafka-python's bare send of the very same bytes.

SDK: check, seal, encode, spool with the disk synchronised, send, mark. Bare: `KafkaProducer.send` of the same keys,
values, headers and times, prepared beforehand. Same broker, same topic settings, same client settings; the sides
alternate within one run, and each row is another one. Alone: `PYTHONPATH=tests python -m bench.bench_publish`.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kafka import KafkaProducer

import servers
from bench.bench_rules import code, person
from credit_local import processes
from credit_local.kafka import KafkaServer
from credit_producer.publish import producer_settings
from credit_producer.sdk import CreditProducer
from credit_producer.settings import UnitSettings, write_unit_config
from credit_producer.spool import Spool, SpoolEvent
from credit_schemas import topics
from credit_schemas.catalogue import load_catalogue
from credit_schemas.sealing import generate_center_key

UNIT, OTHER = "market", "edu"
# Two seconds and more a side and round: longer than a linger, a garbage collection or a checkpoint of the spool.
ROWS = 20_000
ROUNDS = 3
WARM_UP = 2_000

# Kinds, bases and facts as market regulators publish them (texts of 5 to 122 characters, kinds up to four).
OFFENCES = (
    ("食品违法行为", "《中华人民共和国食品安全法》第一百二十四条第一款", "销售超过保质期的食品", "罚款"),
    ("广告违法行为", "《中华人民共和国广告法》第五十五条第一款", "发布虚假广告，对商品的性能作引人误解的宣传", "罚款"),
    ("产品质量违法行为", "《中华人民共和国产品质量法》第四十九条", "销售不符合国家标准的产品", "罚款；没收违法所得"),
    ("无照经营", "《中华人民共和国食品安全法》第一百二十二条第一款", "未取得许可从事食品经营", "罚款；没收非法财物"),
    (
        "化妆品违法行为",
        "《化妆品监督管理条例》第六十一条第一款、第六十二条第一款，《中华人民共和国市场主体登记管理条例》第四十六条，"
        "《河南省食品小作坊、小经营店和小摊点管理条例》第四十一条",
        "经营未经注册、标签没有中文说明的化妆品",
        "警告；罚款；没收违法所得；没收非法财物",
    ),
    ("价格违法行为", "《中华人民共和国价格法》第四十二条", "销售商品未按规定明码标价", "警告"),
)
FOUND = (
    "经查，当事人自{since}起在宝丰县经营场所{what}，共{pieces}件，货值金额{value}元，"
    "有现场检查笔录、询问笔录、进货票据和检验报告（编号 JY{number:07}）为证，当事人对上述事实没有异议。"
)


def penalties(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Clean penalties of real lengths, each another one: a tenth persons, a third 个体工商户, the rest companies."""
    market = load_catalogue().county.units.get(UNIT)
    today = date.today()
    for n in range(first, first + count):
        kind, basis, what, imposed = OFFENCES[n % len(OFFENCES)]
        decided = today - timedelta(1 + n % 300)
        fine = 50_000 + n % 90_000
        row = {
            "CF_WSH": f"宝市监处罚〔{decided.year}〕{n}号",
            "CF_WFXW": kind,
            "CF_SY": FOUND.format(
                since=decided - timedelta(30), what=what, pieces=n % 97 + 1, value=n % 9999 + 10, number=n
            ),
            "CF_YJ": basis,
            "CF_CFLB": imposed,
            "CF_NR": f"{imposed.replace('罚款', f'罚款{fine / 100:g}元')}，并责令改正",
            "CF_JDRQ": decided.isoformat(),
            "CF_YXQ": (decided + timedelta(365)).isoformat(),
            "CF_CFJG": market.name,
            "CF_CFJGDM": market.uscc,
            "CF_SJLY": market.name,
            "CF_SJLYDM": market.uscc,
            "BZ": f"案件来源：日常检查第{n % 400}组",
        }
        if "罚款" in imposed:
            row["CF_NR_FK"] = f"{fine / 1_000_000:.6f}".rstrip("0")
        if "没收" in imposed:
            row["CF_NR_WFFF"] = "0.0144"
        yield row | _subject(n)


def _subject(n: int) -> dict[str, Any]:
    if n % 10 == 0:
        named = {"CF_XDR_LB": "自然人", "CF_XDR_MC": f"李某{n}", "CF_XDR_ZJLX": "身份证", "CF_XDR_ZJHM": person(n)}
        return named | {"EXT_CFCX": "普通程序", "EXT_QWXC": "否", "EXT_SM": "否", "EXT_SXCD": "一般"}
    if n % 3 == 0:
        named = {"CF_XDR_LB": "个体工商户", "CF_XDR_MC": f"宝丰县城关镇第{n}号副食品商店", "CF_FRDB": f"王某{n}"}
        return named | {"CF_XDR_SHXYM": code(n, "92")}
    named = {"CF_XDR_LB": "法人及非法人组织", "CF_XDR_MC": f"宝丰县第{n}号商贸有限责任公司", "CF_FRDB": f"张某{n}"}
    return named | {"CF_XDR_SHXYM": code(n)}


@contextmanager
def broker() -> Iterator[tuple[servers.County, Path]]:
    """A broker of its own with the topics of two units, and a folder; gone afterwards."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        server = KafkaServer(home)
        try:
            server.start()
            with contextlib.closing(server.admin()) as admin:
                yield servers.provision_county(server, admin, [UNIT, OTHER]), home
        finally:
            processes.stop_all(home, grace_s=10.0)


def settings_of(county: servers.County, home: Path) -> UnitSettings:
    """The configuration of the unit on that broker."""
    principal = topics.unit_principal(UNIT)
    return write_unit_config(
        home / "units" / f"{UNIT}.toml",
        unit=UNIT,
        county=county.code,
        bootstrap=county.server.bootstrap,
        username=principal,
        password=county.passwords[principal],
        center_key=str(generate_center_key().public),
        cafile=county.server.cafile,
        spool=home / "spool" / f"{UNIT}.sqlite",
        attachments=home / "attachments",
    )


def timed(work: Callable[[], int]) -> tuple[float, float]:
    """Rows a second of wall clock and of this process's processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    rows = work()
    return rows / (time.perf_counter() - wall), rows / (time.process_time() - cpu)


def by_sdk(producer: CreditProducer, rows: list[dict[str, Any]]) -> int:
    """Report rows and see them acknowledged."""
    refused = [a for a in producer.report_many("penalty", rows) if a.verdict != "accept"]
    if refused:
        raise SystemExit(f"a row is not clean: {refused[0].problems}")
    if producer.flush() != len(rows):
        raise SystemExit("not every row went out")
    return len(rows)


def by_bare_send(producer: KafkaProducer, topic: str, events: list[SpoolEvent]) -> int:
    """Send prepared events and see each acknowledged."""
    futures = [
        producer.send(topic, key=e.key, value=e.value, headers=e.headers, timestamp_ms=e.time_ms) for e in events
    ]
    producer.flush()
    if not all(f.succeeded() for f in futures):
        raise SystemExit("not every event was acknowledged")
    return len(events)


def last_events(spool: Spool, count: int) -> list[SpoolEvent]:
    """The newest events of a spool, as they went out."""
    kept = spool._all(
        "SELECT ce_id, topic, key, value, headers, time_ms, dataset, act, digest FROM event ORDER BY seq DESC LIMIT ?",
        count,
    )
    unpacked = [SpoolEvent(*row) for row in reversed(kept)]
    return [e._replace(headers=[(k, v.encode()) for k, v in json.loads(e.headers)]) for e in unpacked]  # type: ignore[arg-type]


def measure() -> dict[str, Any]:
    """Rates of both sides (median of the rounds) and `publish_vs_bare_send`, also by processor time alone."""
    sdk: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    size = 0.0
    with broker() as (county, home):
        settings = settings_of(county, home)
        principal = topics.unit_principal(OTHER)
        login = settings.kafka.model_copy(
            update={
                "username": principal,
                "password": type(settings.kafka.password)(county.passwords[principal]),
            }
        )
        sender = KafkaProducer(**producer_settings(login, "bare"))
        with contextlib.closing(sender), CreditProducer(UNIT, settings=settings) as producer:
            for number in range(-1, ROUNDS):
                count = ROWS if number >= 0 else WARM_UP
                rows = list(penalties((number + 1) * ROWS, count))
                sides = [timed(lambda: by_sdk(producer, rows))]  # noqa: B023 - called at once
                events = last_events(producer.spool, count)
                sides.append(timed(lambda: by_bare_send(sender, county.intake(OTHER), events)))  # noqa: B023
                if number >= 0:
                    sdk.append(sides[0])
                    bare.append(sides[1])
                    size = statistics.mean(len(e.value) for e in events)
    ratios = [s[0] / b[0] for s, b in zip(sdk, bare, strict=True)]
    return {
        "rows": ROWS * ROUNDS,
        "value_bytes": round(size),
        "sdk_rows_per_s": round(statistics.median(s[0] for s in sdk)),
        "bare_send_rows_per_s": round(statistics.median(b[0] for b in bare)),
        "publish_vs_bare_send": round(statistics.median(ratios), 3),
        "rounds": [round(r, 3) for r in ratios],
        "by_cpu": round(statistics.median(s[1] / b[1] for s, b in zip(sdk, bare, strict=True)), 3),
        "sdk_rows_per_cpu_s": round(statistics.median(s[1] for s in sdk)),
        "bare_send_rows_per_cpu_s": round(statistics.median(b[1] for b in bare)),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
