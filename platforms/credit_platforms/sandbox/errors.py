"""The refusals of a whole request. What is wrong with one row is a verdict (see `codes`), not an error."""


class SandboxError(Exception):
    """Base of everything the sandbox raises on purpose.

    Attributes:
        status: HTTP status of the answer.
        code: E-code of the answer (docs/sandbox-protocol.md).
        slug: the same in one English phrase, for programs.
        message: the same in Chinese, for people; never holds a value that was sent.
    """

    status = 500
    retriable = False

    def __init__(self, code: str, slug: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code} {slug}")
        self.code = code
        self.slug = slug
        self.message = message
        if status is not None:
            self.status = status


class AuthRefused(SandboxError):
    """Who asks is not proven (401), or may not do this (403)."""

    status = 401


class RequestRefused(SandboxError):
    """The request is not one this interface knows how to read; sending it again changes nothing."""

    status = 400


class NotKnown(SandboxError):
    """What was asked for was never received."""

    status = 404


class Unavailable(SandboxError):
    """The platform is not serving; ask again later. Whether a batch was applied must be asked for."""

    status = 503
    retriable = True


class ConfigError(SandboxError):
    """The program cannot start with these settings; only seen at start-up."""

    def __init__(self, message: str) -> None:
        super().__init__("E1901", "bad configuration", message)
