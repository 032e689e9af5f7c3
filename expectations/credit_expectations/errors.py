"""What can go wrong in this room. No message quotes a value of a record."""

from __future__ import annotations


class ExpectationsError(Exception):
    """Base of this room's errors."""

    retriable = False


class SuiteError(ExpectationsError):
    """A suite file, or a county's override of it, is wrong."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        super().__init__(f"质量规则 {where} 有误：{what}")


class Busy(ExpectationsError):
    """Another run has held the lock for too long."""

    retriable = True

    def __init__(self) -> None:
        super().__init__("另一次质量检查还没有结束，本次没有开始；请稍后再运行。")


class CheckBroken(ExpectationsError):
    """An expectation could not be evaluated: nothing is known about the data, so nothing was stamped."""

    retriable = True

    def __init__(self, rule_id: str, dataset: str, cause: str) -> None:
        self.rule_id, self.dataset, self.cause = rule_id, dataset, cause
        super().__init__(
            f"质量规则 {rule_id}（数据集 {dataset}）没能执行（{cause}）；本次没有把任何数据记为已检查，"
            "请检查数据库连接和规则文件后重新运行。"
        )


class HoldNotFound(ExpectationsError):
    """There is no open hold of that number."""

    def __init__(self, hold_id: int) -> None:
        self.hold_id = hold_id
        super().__init__(f"没有第 {hold_id} 号暂停，或者它已经放行、解除；用 credit quality holds 查看现有的暂停。")


class WorkItemNotFound(ExpectationsError):
    """There is no open work item of that number."""

    def __init__(self, work_item_id: int) -> None:
        self.work_item_id = work_item_id
        super().__init__(f"没有第 {work_item_id} 号工单，或者它已经办结；用 credit quality items 查看未办结的工单。")


class NumberInReason(ExpectationsError):
    """A reason is kept and shown; a resident's number has no place in it."""

    def __init__(self) -> None:
        super().__init__("姓名或理由里有公民身份号码；它们会记录在案，请去掉号码后重试。")


class NameAndReasonNeeded(ExpectationsError):
    """Who decides, and why, must both be said."""

    def __init__(self) -> None:
        super().__init__("必须写明办理人的姓名和理由，这两项会记录在案；请补填后重试。")
