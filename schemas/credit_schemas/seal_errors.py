"""Errors of sealing. None quotes the text, a key or a password."""


class SealError(Exception):
    """Base of all errors of sealing; ``retriable`` says whether waiting for a key can help."""

    retriable = False


class UnknownKey(SealError):
    """The value is sealed for a key this process does not hold; opens once that key is added."""

    retriable = True

    def __init__(self, key_id: bytes) -> None:
        """Keep the id of the missing key."""
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return f"缺少密钥 {self.key_id.hex()}：请把这把密钥加入中心的密钥目录后重试"


class UnknownSuite(SealError):
    """The first byte names no known suite: not a sealed value, or one of a newer release."""

    def __init__(self, suite: int) -> None:
        """Keep the suite number."""
        super().__init__(suite)
        self.suite = suite

    def __str__(self) -> str:
        return f"不认识的加密套件 {self.suite}：数据不是加密值，或来自更新的版本"


class Tampered(SealError):
    """The value was changed, cut short, moved to another context, or not sealed by this module.

    ``reason`` is ``short``, ``authentication`` or ``encoding``.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason code."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"加密值被改动、截断或挪用（{self.reason}）：请由报送单位重新报送"


class Unsealable(SealError):
    """The text is no valid Unicode (a lone surrogate), so it could never be read back as text."""

    def __str__(self) -> str:
        return "待加密的文字含有无效字符：请重新录入该单元格"


class BadKey(SealError):
    """A key or its password cannot be used; ``reason`` is Chinese and quotes neither."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"密钥不可用：{self.reason}"
