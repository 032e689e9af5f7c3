"""Clean rows for tests, one per dataset: made up, with valid check digits."""

from __future__ import annotations

COMPANY = "91320100748204660Q"  # a real company of the identifier vectors
AUTHORITY = "11320100MB1886843H"  # a real government body of the identifier vectors
PERSON = "11010519491231002X"  # the standard's own example (GB 11643-1999)

PENALTY = {
    "CF_XDR_MC": "示例商贸有限公司",
    "CF_XDR_LB": "法人及非法人组织",
    "CF_XDR_SHXYM": COMPANY,
    "CF_FRDB": "张三",
    "CF_WSH": "示市监处罚〔2026〕8号",
    "CF_WFXW": "食品违法行为",
    "CF_SY": "销售超过保质期的食品",
    "CF_YJ": "《中华人民共和国食品安全法》第一百二十四条第一款",
    "CF_CFLB": "罚款",
    "CF_NR": "罚款500元",
    "CF_NR_FK": "0.05",
    "CF_JDRQ": "2026-05-06",
    "CF_YXQ": "2027-05-06",
    "CF_CFJG": "示例县市场监督管理局",
    "CF_CFJGDM": AUTHORITY,
    "CF_SJLY": "示例县市场监督管理局",
    "CF_SJLYDM": AUTHORITY,
}

PERSON_PENALTY = {
    **{k: v for k, v in PENALTY.items() if k not in ("CF_XDR_SHXYM", "CF_FRDB")},
    "CF_XDR_MC": "李四",
    "CF_XDR_LB": "自然人",
    "CF_XDR_ZJLX": "身份证",
    "CF_XDR_ZJHM": PERSON,
    "EXT_CFCX": "普通程序",
    "EXT_QWXC": "否",
    "EXT_SM": "否",
    "EXT_SXCD": "一般",
}

LICENCE = {
    "XK_XDR_MC": "示例商贸有限公司",
    "XK_XDR_LB": "法人及非法人组织",
    "XK_XDR_SHXYM": COMPANY,
    "XK_FRDB": "张三",
    "XK_XKWS": "准予行政许可决定书",
    "XK_WSH": "示审许〔2026〕12号",
    "XK_XKLB": "普通",
    "XK_NR": "食品销售",
    "XK_JDRQ": "2026-05-06",
    "XK_YXQZ": "2026-05-06",
    "XK_YXQZI": "2031-05-05",
    "XK_XKJG": "示例县行政审批局",
    "XK_XKJGDM": AUTHORITY,
    "XK_ZT": "1",
    "XK_LYDW": "示例县行政审批局",
    "XK_LYDWDM": AUTHORITY,
}

LEDGER = {
    "LG_DW": "示例县市场监督管理局",
    "LG_DWDM": AUTHORITY,
    "LG_LB": "行政处罚",
    "LG_WSH": "示市监处罚〔2026〕8号",
    "LG_JDRQ": "2026-05-06",
}

CLEAN = {"penalty": PENALTY, "licence": LICENCE, "ledger": LEDGER}
