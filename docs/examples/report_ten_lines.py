"""上报一条行政处罚。先把大数据中心发的配置文件放到 ~/.credit/units/market.toml，再运行本程序。"""

from credit_producer import CreditProducer

# 列代码见《标准数据结构规范》；日期写 2026-05-06，金额以万元为单位。
row = {
    "CF_XDR_MC": "示例商贸有限公司",
    "CF_XDR_LB": "法人及非法人组织",
    "CF_XDR_SHXYM": "91320100748204660Q",
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
    "CF_CFJG": "宝丰县市场监督管理局",
    "CF_CFJGDM": "11410421DEM000209N",
    "CF_SJLY": "宝丰县市场监督管理局",
    "CF_SJLYDM": "11410421DEM000209N",
}

with CreditProducer("market") as producer:
    answer = producer.report("penalty", row, source_key="2026-0008")
    for problem in answer.problems:
        print(problem.severity, problem.column, problem.message)
    print(answer.verdict, answer.ce_id)  # 凭 ce_id 查回执：credit-producer receipts
