"""Penalties for measuring: made up, clean, each another one, with texts as long as real ones.

Lengths follow 40 published decisions (means: legal basis 38 characters, case 10, content 11, kind 7) and, for the
facts, which publications of other cities spell out, some 45 characters: 530 bytes of values, 800 with key and headers.
Numbers and names are made up; check digits are right (GB 32100, GB 11714, GB 11643), or the rules would complain.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from credit_schemas.units import Unit

# Of a hundred penalties, so many are of natural persons (sealed numbers), and so many of 个体工商户.
PERSONS, INDIVIDUALS = 8, 30
# So many different subjects to a hundred rows: some are punished more than once.
SUBJECTS = 60

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_OFFENCES = (
    ("食品违法行为", "销售超过保质期的食品", "《中华人民共和国食品安全法》/第九章法律责任/第一百二十四条/第一款"),
    ("产品(商品)质量违法行为", "销售抽检不合格的产品", "《中华人民共和国产品质量法》/第五章罚则/第四十九条"),
    ("广告违法行为", "发布虚假广告", "《中华人民共和国广告法》/第五章法律责任/第五十五条/第一款"),
    ("无照经营", "未取得许可从事餐饮服务", "《中华人民共和国食品安全法》/第九章法律责任/第一百二十二条/第一款"),
    (
        "化妆品违法行为",
        "销售无中文标签的化妆品",
        "《化妆品监督管理条例》/第五章法律责任/第六十一条/第一款,《中华人民共和国市场主体登记管理条例》/第六章法律责任/第四十六条",
    ),
    ("特种设备违法行为", "使用未经检验的电梯", "《中华人民共和国特种设备安全法》/第六章法律责任/第八十四条"),
    ("其他", "使用不可降解塑料袋", "《中华人民共和国固体废物污染环境防治法》/第八章法律责任/第一百零六条"),
)
_PIECES = (
    "当事人在经营场所内",
    "经执法人员现场检查，",
    "未按规定实施进货查验，",
    "上述行为有现场笔录、询问笔录和照片为证，",
    "货值金额较小，",
    "违法所得无法查清，",
    "当事人能够配合调查并及时改正，",
    "经抽样检验，检验结论为不合格，",
    "已责令其限期改正，",
)
_KINDS = ("罚款",) * 5 + ("罚款；没收违法所得",) * 3 + ("警告；罚款", "警告；罚款；没收违法所得")
_FIRST_WORDS = ("宝丰县鑫源", "平顶山市恒通", "河南省中原", "宝丰县惠民", "平顶山瑞丰", "宝丰县城关镇老街")
_TRADES = ("商贸有限公司", "食品有限公司", "建筑工程有限公司", "汽车服务有限公司", "农业科技有限公司")
_SHOPS = ("百货店", "餐饮店", "烟酒商行", "便利店", "美容店")
_SURNAMES, _GIVEN = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何高林", "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰"


def uscc(prefix: str, number: int) -> str:
    """A valid unified code: `prefix` names registrar and kind (91 company, 92 个体工商户)."""
    body = f"M{number % 10**7:07}"
    values = (int(c, 36) for c in body)
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    check = -sum(v * w for v, w in zip(values, weights, strict=True)) % 11
    code = f"{prefix}410421{body}{'X' if check == 10 else check}"
    total = sum(_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code))
    return code + _ALPHABET[-total % 31]


def id_number(number: int) -> str:
    """A valid citizen number of nobody."""
    born = date(1950, 1, 1) + timedelta(number // 900 % 20_000)
    body = f"410421{born:%Y%m%d}{100 + number % 900}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11]


def penalties(count: int, units: Sequence[Unit], today: date, first: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Unit and typed values of each row (amounts in 分, numbers of persons in clear), the units by turns.

    The same `first` gives the same rows; rows of ranges that do not overlap differ in their document numbers.
    """
    for n in range(first, first + count):
        chance = random.Random(n)
        unit = units[n % len(units)]
        yield unit.code, _penalty(n, chance, unit, today, subject=n * SUBJECTS // 100)


def _penalty(n: int, chance: random.Random, unit: Unit, today: date, subject: int) -> dict[str, Any]:
    kind, what, basis = chance.choice(_OFFENCES)
    measures = chance.choice(_KINDS)
    # The amount is said in the text as well, and both must agree.
    fine = chance.randint(1, 400) * 50
    content = f"罚款{fine}元" + ("，没收违法所得" if "没收" in measures else "")
    decided = today - timedelta(2 + chance.randrange(300))
    facts = "".join(chance.sample(_PIECES, chance.choice((1, 2, 3, 3, 4, 5)))) + what + "。"
    return {
        **_party(subject),
        "CF_WSH": f"宝{unit.name[:1]}罚决〔{decided.year}〕{n}号",
        "CF_WFXW": kind,
        "CF_SY": facts,
        "CF_YJ": basis,
        "CF_CFLB": measures,
        "CF_NR": content,
        "CF_NR_FK": fine * 100,
        **({"CF_NR_WFFF": chance.randint(1, 9000) * 10} if "没收" in measures else {}),
        "CF_JDRQ": decided,
        "CF_YXQ": decided + timedelta(365),
        "CF_CFJG": unit.full_name,
        "CF_CFJGDM": unit.uscc,
        "CF_SJLY": unit.full_name,
        "CF_SJLYDM": unit.uscc,
    }


def _party(subject: int) -> dict[str, Any]:
    """Whom it is about: the same number gives the same party."""
    chance = random.Random(-1 - subject)
    name = chance.choice(_SURNAMES) + "".join(chance.sample(_GIVEN, 2))
    share = chance.randrange(100)
    if share < PERSONS:
        return {
            "CF_XDR_MC": name,
            "CF_XDR_LB": "自然人",
            "CF_XDR_ZJLX": "身份证",
            "CF_XDR_ZJHM": id_number(subject),
            # For natural persons the law asks for these four; left out they would be assumed, with a remark.
            "EXT_CFCX": "普通程序",
            "EXT_QWXC": "否",
            "EXT_SM": "否",
            "EXT_SXCD": "一般",
        }
    if share < PERSONS + INDIVIDUALS:
        title = chance.choice(_FIRST_WORDS) + name + chance.choice(_SHOPS)
        return {"CF_XDR_MC": title, "CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": uscc("92", subject), "CF_FRDB": name}
    title = chance.choice(_FIRST_WORDS) + str(subject % 97) + chance.choice(_TRADES)
    return {"CF_XDR_MC": title, "CF_XDR_LB": "法人及非法人组织", "CF_XDR_SHXYM": uscc("91", subject), "CF_FRDB": name}
