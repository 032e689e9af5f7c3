"""Errors of this room: one small tree, messages in Chinese for the person at the keyboard."""

from __future__ import annotations


class ReportsError(Exception):
    """Base of the errors this package raises; `retriable` says whether trying again may help."""

    retriable = False


class SubjectNotFound(ReportsError):
    """Nobody is on file under what was given; `what` says what that was, never a personal number."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"没有找到{what}对应的主体；可以用 credit subjects find 名称 查找。")


class NumberInTheOpen(ReportsError):
    """A citizen number was given where it would be kept (arguments stay in the shell's history)."""

    def __init__(self) -> None:
        super().__init__(
            "证件号码不要写在命令里，那样会留在历史记录中。请改用 --person，按提示输入；或用主体编号、记录编号查找。"
        )


class CollisionNotFound(ReportsError):
    """No open collision is about this."""

    def __init__(self, about: str) -> None:
        self.about = about
        super().__init__(f"没有待核对的“{about}”；用 credit subjects collisions 查看。")


class DecisionRefused(ReportsError):
    """A decision that cannot be kept; `why` says what is missing."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class FontMissing(ReportsError):
    """No Chinese font that can be embedded was found."""

    def __init__(self, looked: list[str]) -> None:
        self.looked = looked
        super().__init__(
            "做 PDF 需要一个可嵌入的中文字体，本机没有找到。请安装：apt install fonts-wqy-microhei；"
            f"或用 --font 指定一个 TrueType 字体文件（.ttf、.ttc）；也可以改为输出 .docx。找过：{'、'.join(looked)}。"
        )


class FontUnfit(ReportsError):
    """A font file that cannot be embedded (not TrueType, damaged)."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"字体文件 {path} 不能嵌入 PDF；请换一个 TrueType 字体（.ttf、.ttc）。")


class UnknownForm(ReportsError):
    """A report is written as .docx or .pdf only."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        super().__init__(f"不能写“{suffix or '没有扩展名的'}”文件；请把 --out 写成 .docx 或 .pdf。")


class UnfitForDuty(ReportsError):
    """obligations.toml asks of a dataset what it cannot tell; `role` is what it lacks."""

    def __init__(self, dataset: str, role: str) -> None:
        self.dataset, self.role = dataset, role
        super().__init__(f"数据集“{dataset}”没有 {role} 这一列，不能用于这项任务；请改县目录的 obligations.toml。")
