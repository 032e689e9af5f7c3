"""``python -m credit_platforms.sandbox``: run one sandbox platform until it is told to stop."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvicorn

from credit_platforms.sandbox.app import create_app
from credit_platforms.sandbox.auth import load_clients
from credit_platforms.sandbox.connections import CuttableProtocol, cut
from credit_platforms.sandbox.errors import ConfigError
from credit_platforms.sandbox.personas import PERSONAS
from credit_platforms.sandbox.store import Store
from credit_platforms.sandbox.tables import load_tables

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than HTTP clients keep an idle connection (httpx 5 s): with uvicorn's own 5 s both ends close at once, and
a busy client meets connections that are cut under its request."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m credit_platforms.sandbox",
        description="省、国家信用信息共享平台的替身（演练和测试用，接口见 docs/sandbox-protocol.md）",
    )
    names = "，".join(f"{p.id} = {p.name}" for p in PERSONAS.values())
    parser.add_argument("--persona", required=True, choices=PERSONAS, help=names)
    parser.add_argument("--host", default="127.0.0.1", help="监听地址，默认只在本机")
    parser.add_argument("--port", required=True, type=int, help="监听端口")
    parser.add_argument("--store", required=True, type=Path, help="SQLite 存储文件，没有则新建")
    parser.add_argument("--clients", required=True, type=Path, help="客户端文件（JSON：id、key、role）")
    parser.add_argument("--no-withdraw", action="store_true", help="扮演不支持撤回的平台（end 一律答 E4001）")
    parser.add_argument(
        "--tables", action="append", type=Path, default=[], metavar="FILE", help="另加的表定义文件（TOML），可多次"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; exit code 2 when it cannot start with its settings."""
    arguments = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    persona = PERSONAS[arguments.persona]
    if arguments.no_withdraw:
        persona = replace(persona, can_withdraw=False)
    try:
        clients = load_clients(arguments.clients)
        store = Store(arguments.store, persona, load_tables(arguments.tables))
    except ConfigError as e:
        print(e.message, file=sys.stderr)
        return 2
    uvicorn.run(
        create_app(persona, store, clients, cut),
        host=arguments.host,
        port=arguments.port,
        http=CuttableProtocol,
        log_config=None,
        log_level="info",
        # Request lines hold record numbers and would drown the batch lines.
        access_log=False,
        # `cut` finds a connection by its true peer.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
