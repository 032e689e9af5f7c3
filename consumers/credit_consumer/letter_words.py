"""What a dead letter means, to whom it matters: to the operator who may mend it, and to the unit that sent it."""

from __future__ import annotations

# Reason (`decode.REASONS`) to what the operator can do about it.
OPERATOR = {
    "envelope": "请该单位检查报送程序写的消息头，改正后重新报送；确认已重新报送的，可以放弃。",
    "other_county": "请该单位换用本县的配置文件重新报送；确认无用的，可以放弃。",
    "not_framed": "往这个主题写消息的不是报送程序，或版本太旧；请该单位用报送程序重新报送，这一条可以放弃。",
    "unknown_schema": "报送程序比中心新：更新本程序，执行 credit migrate，重启入库程序，再重放。",
    "undecodable": "内容损坏，或报送程序自己改了数据结构；请该单位更新报送程序后重新报送，这一条可以放弃。",
    "unknown_key": "把说明里那把密钥放回密钥目录，重启入库程序，再重放；没有这把密钥的，请该单位用现用的公钥重新报送。",
    "id_of_another_unit": "两个单位用了同一个事件编号，多半是复制了别人的暂存库；请后报的单位重新报送，这条可以放弃。",
    "database": "数据库不接受：按说明里的代码（SQLSTATE）查清原因，多半要修改本程序；修好后重放。",
    "defect": "本程序的缺陷：把说明和编号告诉维护人员，修好后重放，不用请单位重新报送。",
}
# The same for the unit, in its receipt. That an id is taken may be told: nobody finds one by trying (74 random bits).
UNIT = {
    "envelope": "请检查报送程序写的消息头，改正后重新报送。",
    "other_county": "请换用本单位在本县的配置文件重新报送。",
    "not_framed": "请用报送程序重新报送。",
    "unknown_schema": "不用重新报送：中心更新后自行处理，结果另有回执。",
    "undecodable": "请更新报送程序后重新报送。",
    "unknown_key": "中心补上密钥后自行处理；请核对本单位配置里的公钥是不是中心最近发的。",
    "id_of_another_unit": "请重新报送，让报送程序另编一个事件编号；不要复制别的单位的暂存库。",
    "database": "不用重新报送：中心查清原因后自行处理，结果另有回执。",
    "defect": "不用重新报送：中心修好后自行处理，结果另有回执。",
}
STATES = {"dead": "读不懂", "parked": "等待", "replayed": "已重放", "discarded": "已放弃"}
