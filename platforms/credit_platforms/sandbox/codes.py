"""The verdict codes of one row and their Chinese meaning.

Five digits judge the data, in the style of a real city platform (1xxxx content, 2xxxx duplicate, 3xxxx
dictionary; STANDARDS 1.3); E and four digits judge what the program asked for.
"""

from typing import Final

STORED: Final = "00000"
UNCHANGED: Final = "00001"
ENDED: Final = "00002"
ENDED_UNKNOWN: Final = "00003"

MISSING: Final = "10001"
MISSING_HERE: Final = "10002"
MUST_BE_BLANK: Final = "10003"
NOT_TEXT: Final = "10004"
TOO_LONG: Final = "10005"
BAD_DATE: Final = "10006"
BAD_AMOUNT: Final = "10007"
BAD_UNIFIED_CODE: Final = "10008"
BAD_PLACEHOLDER: Final = "10009"
BAD_ID_NUMBER: Final = "10010"
DATE_ORDER: Final = "10011"
CODE_KIND: Final = "10012"
UNKNOWN_COLUMN: Final = "10013"
BAD_CODE_FORM: Final = "10014"
GARBLED: Final = "10015"
NOT_PUBLIC: Final = "10016"
NAME_NOT_MASKED: Final = "10017"
BAD_NUMBER: Final = "10018"
BAD_PERIOD: Final = "10019"
REHEARSED: Final = "10099"

DUPLICATE: Final = "20001"
OLDER_REVISION: Final = "20002"
SAME_REVISION_OTHER_CONTENT: Final = "20003"
ALREADY_ENDED: Final = "20004"
OTHER_TABLE: Final = "20005"

BAD_PENALTY_KIND: Final = "30001"
UNEXPLAINED_OTHER: Final = "30002"
BAD_ID_TYPE: Final = "30003"
BAD_STATUS: Final = "30004"
BAD_PARTY_KIND: Final = "30005"
BAD_LICENCE_KIND: Final = "30006"
BAD_CHOICE: Final = "30007"

CANNOT_WITHDRAW: Final = "E4001"

MEANING: Final[dict[str, str]] = {
    STORED: "已接收",
    UNCHANGED: "内容无变化",
    ENDED: "已终止公示和共享",
    ENDED_UNKNOWN: "平台没有这条记录，已登记终止",
    MISSING: "必填项为空",
    MISSING_HERE: "此种情形下必填的项为空",
    MUST_BE_BLANK: "此种情形下应当为空的项有内容",
    NOT_TEXT: "格式转换错误，值必须是文本",
    TOO_LONG: "超过规定长度",
    BAD_DATE: "日期格式错误或日期不存在",
    BAD_AMOUNT: "金额格式错误",
    BAD_UNIFIED_CODE: "统一社会信用代码错误",
    BAD_PLACEHOLDER: "占位代码使用不当",
    BAD_ID_NUMBER: "证件号码错误",
    DATE_ORDER: "日期先后矛盾",
    CODE_KIND: "统一社会信用代码与相对人类别不符",
    UNKNOWN_COLUMN: "未知的列",
    BAD_CODE_FORM: "代码的位数或字符不符合规定",
    GARBLED: "名称中有乱码或标记字符",
    NOT_PUBLIC: "公开网站不接收证件号码",
    NAME_NOT_MASKED: "公开网站上自然人姓名须只留姓",
    BAD_NUMBER: "不是整数",
    BAD_PERIOD: "报告期格式错误",
    REHEARSED: "平台演练退回",
    DUPLICATE: "重复数据，同一决定已有另一条记录",
    OLDER_REVISION: "版本过旧",
    SAME_REVISION_OTHER_CONTENT: "同一版本号的内容不同",
    ALREADY_ENDED: "记录已终止，恢复须用更高的版本号",
    OTHER_TABLE: "同一记录编号已在另一张表中",
    BAD_PENALTY_KIND: "处罚类别不在字典中",
    UNEXPLAINED_OTHER: "“其他”须注明具体类别",
    BAD_ID_TYPE: "证件类型不在字典中",
    BAD_STATUS: "当前状态不在字典中",
    BAD_PARTY_KIND: "行政相对人类别不在字典中",
    BAD_LICENCE_KIND: "许可类别不在字典中",
    BAD_CHOICE: "取值不在字典中",
    CANNOT_WITHDRAW: "平台不支持撤回",
}
