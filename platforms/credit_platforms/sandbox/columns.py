"""The 28 columns of 行政许可 and the 30 of 行政处罚, written down from STANDARDS 1.1 and 1.2.

Where two sources give two lengths the larger one is taken (违法事实 5000, 处罚类别 255): a stand-in that refuses
what a real platform may accept would teach the sender a wrong rule.
"""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "name", "person_name", "date", "amount", "body_code"]


@dataclass(frozen=True)
class Column:
    """One national column: `width` in characters (0 for dates and amounts, which have a form of their own)."""

    name: str
    title: str
    width: int
    mandatory: bool = False
    kind: Kind = "text"


@dataclass(frozen=True)
class Table:
    """One national table and the columns that carry a part in the checks across columns."""

    id: str
    prefix: str
    columns: tuple[Column, ...]
    representative: str
    document_no: str
    authority_code: str
    decision_date: str
    periods: tuple[tuple[str, str], ...]
    """Pairs (earlier, later) of dates that must stand in this order."""

    def column(self, name: str) -> Column:
        """The column of that national name; KeyError when the table has none."""
        return next(c for c in self.columns if c.name == name)

    def party(self, suffix: str) -> str:
        """Name of a column of the party (行政相对人): ``party("SHXYM")`` is XK_XDR_SHXYM in 行政许可."""
        return f"{self.prefix}_XDR_{suffix}"


def _party_columns(prefix: str) -> tuple[Column, ...]:
    """Columns 1-13, which both tables share but for the prefix."""
    p = f"{prefix}_XDR"
    return (
        Column(f"{p}_MC", "行政相对人名称", 200, mandatory=True, kind="name"),
        Column(f"{p}_LB", "行政相对人类别", 16, mandatory=True),
        Column(f"{p}_SHXYM", "行政相对人代码_1(统一社会信用代码)", 18),
        Column(f"{p}_GSZC", "行政相对人代码_2(工商注册号)", 50),
        Column(f"{p}_ZZJG", "行政相对人代码_3(组织机构代码)", 9),
        Column(f"{p}_SWDJ", "行政相对人代码_4(税务登记号)", 15),
        Column(f"{p}_SYDW", "行政相对人代码_5(事业单位证书号)", 12),
        Column(f"{p}_SHZZ", "行政相对人代码_6(社会组织登记证号)", 50),
        Column(f"{prefix}_FRDB", "法定代表人", 50, kind="person_name"),
        Column(f"{prefix}_FR_ZJLX", "法定代表人证件类型", 64),
        Column(f"{prefix}_FR_ZJHM", "法定代表人证件号码", 64),
        Column(f"{p}_ZJLX", "证件类型", 64),
        Column(f"{p}_ZJHM", "证件号码", 64),
    )


XZXK: Final = Table(
    id="xzxk",
    prefix="XK",
    representative="XK_FRDB",
    document_no="XK_WSH",
    authority_code="XK_XKJGDM",
    decision_date="XK_JDRQ",
    periods=(("XK_YXQZ", "XK_YXQZI"),),
    columns=(
        *_party_columns("XK"),
        Column("XK_XKWS", "行政许可决定文书名称", 64, mandatory=True),
        Column("XK_WSH", "行政许可决定文书号", 64, mandatory=True),
        Column("XK_XKLB", "许可类别", 256, mandatory=True),
        Column("XK_XKZS", "许可证书名称", 64),
        Column("XK_XKBH", "许可编号", 64),
        Column("XK_NR", "许可内容", 4000, mandatory=True),
        Column("XK_JDRQ", "许可决定日期", 0, mandatory=True, kind="date"),
        Column("XK_YXQZ", "有效期自", 0, mandatory=True, kind="date"),
        Column("XK_YXQZI", "有效期至", 0, mandatory=True, kind="date"),
        Column("XK_XKJG", "许可机关", 200, mandatory=True, kind="name"),
        Column("XK_XKJGDM", "许可机关统一社会信用代码", 18, mandatory=True, kind="body_code"),
        Column("XK_ZT", "当前状态", 1, mandatory=True),
        Column("XK_LYDW", "数据来源单位", 200, mandatory=True, kind="name"),
        Column("XK_LYDWDM", "数据来源单位统一社会信用代码", 18, mandatory=True, kind="body_code"),
        Column("BZ", "备注", 512),
    ),
)

XZCF: Final = Table(
    id="xzcf",
    prefix="CF",
    representative="CF_FRDB",
    document_no="CF_WSH",
    authority_code="CF_CFJGDM",
    decision_date="CF_JDRQ",
    periods=(("CF_JDRQ", "CF_YXQ"),),
    columns=(
        *_party_columns("CF"),
        Column("CF_WSH", "行政处罚决定书文号", 128, mandatory=True),
        Column("CF_WFXW", "违法行为类型", 2000, mandatory=True),
        Column("CF_SY", "违法事实", 5000, mandatory=True),
        Column("CF_YJ", "处罚依据", 2048, mandatory=True),
        Column("CF_CFLB", "处罚类别", 255, mandatory=True),
        Column("CF_NR", "处罚内容", 4000, mandatory=True),
        Column("CF_NR_FK", "罚款金额（万元）", 0, kind="amount"),
        Column("CF_NR_WFFF", "没收违法所得、没收非法财物的金额（万元）", 0, kind="amount"),
        Column("CF_NR_ZKDX", "暂扣或吊销证照名称及编号", 200),
        Column("CF_JDRQ", "处罚决定日期", 0, mandatory=True, kind="date"),
        Column("CF_YXQ", "处罚有效期", 0, mandatory=True, kind="date"),
        Column("CF_GSJZQ", "公示截止期", 0, kind="date"),
        Column("CF_CFJG", "处罚机关", 200, mandatory=True, kind="name"),
        Column("CF_CFJGDM", "处罚机关统一社会信用代码", 18, mandatory=True, kind="body_code"),
        Column("CF_SJLY", "数据来源单位", 200, mandatory=True, kind="name"),
        Column("CF_SJLYDM", "数据来源单位统一社会信用代码", 18, mandatory=True, kind="body_code"),
        Column("BZ", "备注", 512),
    ),
)

DECISIONS: Final[dict[str, Table]] = {t.id: t for t in (XZXK, XZCF)}
