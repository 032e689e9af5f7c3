"""The connection to a department's database: reading only, row by row, whatever the database is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import SourceError, broken, no_driver, not_installed
from .settings import SourceSettings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Select

# Rows fetched at a time: a hundred kilobytes or so, so that a table of millions needs no more memory than a small one.
FETCH = 500
CONNECT_S = 10
_TIMEOUTS = {
    "psycopg2": {"connect_timeout": CONNECT_S},
    "psycopg": {"connect_timeout": CONNECT_S},
    "pymysql": {"connect_timeout": CONNECT_S},
    "mysqldb": {"connect_timeout": CONNECT_S},
    "pymssql": {"login_timeout": CONNECT_S},
}
# Said before the first query. PostgreSQL and SQLite are opened read-only; SQL Server has no such session: there nothing
# is ever committed, and the account should have no right to write.
_READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}
_ALIAS = "credit_rows"


class Database:
    """One connection, one pass over a source. Nothing is ever committed."""

    def __init__(self, settings: SourceSettings) -> None:
        """Connect and learn the columns. Raises SourceError."""
        self._read = settings.source
        self._engine = _engine(settings)
        try:
            self._con: Connection = self._connect()
            try:
                self.columns = self._names()
            except BaseException:
                self.close()
                raise
        except SourceError:
            raise
        except Exception as error:
            raise _told(error, "连接") from None

    def close(self) -> None:
        """Hang up; whatever was begun is undone."""
        with suppress(Exception):
            self._con.rollback()
        with suppress(Exception):
            self._con.close()
        self._engine.dispose()

    def column(self, name: str) -> str | None:
        """A column as the database spells it; databases disagree about case."""
        return next((c for c in self.columns if c == name), None) or next(
            (c for c in self.columns if c.casefold() == name.casefold()), None
        )

    def rows(
        self, wanted: Sequence[str], key: Sequence[str], watermark: str | None, since: Any
    ) -> Iterator[Sequence[Any]]:
        """The rows of these columns, oldest watermark first; with `since` only those from there on, or without one.

        Raises SourceError when the database fails on the way.
        """
        try:
            with self._con.execute(self._select(wanted, key, watermark, since)) as result:
                yield from result
        except Exception as error:
            raise _told(error, "读取") from None

    def _select(self, wanted: Sequence[str], key: Sequence[str], watermark: str | None, since: Any) -> Select[Any]:
        import sqlalchemy as sa

        columns: list[Any] = [sa.column(name) for name in wanted]
        statement = sa.select(*columns).select_from(self._from())
        if watermark:
            mark: Any = sa.column(watermark)
            if since is not None:
                statement = statement.where(sa.or_(mark >= sa.bindparam("since", since), mark.is_(None)))
            statement = statement.order_by(mark)
        if watermark or self._read.table:
            statement = statement.order_by(*(sa.column(name) for name in key))
        return statement

    def _from(self) -> Any:
        import sqlalchemy as sa

        if self._read.table:
            schema, _, name = self._read.table.rpartition(".")
            return sa.table(name, schema=schema or None)
        # A colon in the query is no parameter; a comment at its end must not swallow the bracket.
        text = (self._read.query or "").replace(":", "\\:")
        return sa.text(f"({text}\n) {_ALIAS}")

    def _names(self) -> list[str]:
        import sqlalchemy as sa

        nothing: Any = sa.select(sa.literal_column("*")).select_from(self._from()).where(sa.text("1 = 0"))
        try:
            with self._con.execute(nothing) as result:
                found = list(result.keys())
        except Exception as error:
            raise _told(error, f"查看 {self._read.shown} 的列") from None
        twice = sorted({name for name in found if found.count(name) > 1})
        if twice:
            raise SourceError("column_twice", f"查询的结果里有同名的列：{'、'.join(twice)}。请用 AS 给它们不同的名称。")
        return found

    def _connect(self) -> Connection:
        dialect = self._engine.dialect.name
        options: dict[str, Any] = {"stream_results": True, "yield_per": FETCH}
        if dialect == "postgresql":
            options["postgresql_readonly"] = True
        connection = self._engine.connect().execution_options(**options)
        if self._engine.driver == "psycopg2":
            _days_beyond_python(connection.connection.dbapi_connection)
        if dialect in _READ_ONLY:
            connection.exec_driver_sql(_READ_ONLY[dialect])
        return connection


def _engine(settings: SourceSettings) -> Engine:
    try:
        import sqlalchemy as sa
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ImportError:
        raise not_installed() from None
    variable = settings.database.url_env
    try:
        url = sa.make_url(settings.database.url)
        if url.get_backend_name() == "sqlite":
            return sa.create_engine("sqlite://", creator=lambda: _sqlite(url.database), poolclass=sa.pool.NullPool)
        arguments = _TIMEOUTS.get(url.get_driver_name(), {})
        return sa.create_engine(url, connect_args=arguments, hide_parameters=True, poolclass=sa.pool.NullPool)
    except ModuleNotFoundError as missing:
        raise no_driver(missing.name or "") from None
    except NoSuchModuleError:
        raise SourceError("no_dialect", f"环境变量 {variable} 里的数据库种类没有安装；请核对地址的开头。") from None
    except (ArgumentError, ValueError, KeyError):
        raise SourceError(
            "bad_url",
            f"环境变量 {variable} 的内容不是数据库地址，应当像 postgresql+psycopg2://用户:口令@主机:5432/库名。",
        ) from None


def _sqlite(path: str | None) -> sqlite3.Connection:
    """Open read-only: a mistyped path must not make an empty database, and nothing may be written."""
    if not path or not Path(path).is_file():
        raise SourceError("not_found", "环境变量里的 SQLite 文件不存在；请核对路径。")
    found = sqlite3.connect(f"file:{quote(str(Path(path).absolute()))}?mode=ro", uri=True)
    # SQLite does not check its text: what is no UTF-8 is told with its row and does not end the pass.
    found.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return found


def _days_beyond_python(connection: Any) -> None:
    """A day that Python has no date for (4713 BC, year 10000) comes as its text: it is told with its row."""
    from psycopg2 import extensions

    def forgiving(caster: Any) -> Any:
        def cast(text: str | None, cursor: Any) -> Any:
            try:
                return caster(text, cursor)
            except (ValueError, OverflowError):
                return text

        return cast

    for caster in (extensions.PYDATE, extensions.PYDATETIME, extensions.PYDATETIMETZ):
        extensions.register_type(extensions.new_type(caster.values, "day", forgiving(caster)), connection)


def _told(error: BaseException, doing: str) -> SourceError:
    """What an error of SQLAlchemy or a driver means. Only its kind and SQLSTATE are told."""
    if isinstance(error, SourceError):
        return error
    original = getattr(error, "orig", None) or error
    if isinstance(original, SourceError):
        return original
    if isinstance(original, ModuleNotFoundError):
        return no_driver(original.name or "")
    state = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    kind = type(original).__name__ + (f" {state}" if isinstance(state, str) else "")
    return broken(kind, doing)
