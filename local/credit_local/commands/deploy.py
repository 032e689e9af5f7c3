"""`credit prepare|secrets|certificates|airflow`: the deployment on servers of its own (docs/deployment.md)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import httpx

from credit_warehouse.settings import load_settings

from .. import deployment
from ..airflow import SERVICES
from ..certificates import ensure_certificates

# Shorter than the healthcheck of docker-compose.yml waits, so that the answer is ours.
CHECK_TIMEOUT_S = 10.0

out_option = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="目录", help="写到这个目录。"
)


@click.command()
def prepare() -> None:
    """准备外部的数据库和 Kafka：角色、密钥、表、主题、权限、账号，并生成各单位的配置；可以重复执行。"""
    settings = load_settings()
    deployment.prepare(settings, deployment.load_deploy_settings(settings), click.echo)
    click.echo("准备完成。")


@click.command()
@out_option
def secrets(out: Path) -> None:
    """生成部署用的口令文件，每个口令一个文件；已有的不动。"""
    made = deployment.write_secrets(out)
    click.echo(f"新生成 {len(made)} 个口令文件：{out}。" if made else "口令文件已经齐全，没有改动。")
    for path in sorted(out.glob("credit_destination_*_secret")):
        if not path.read_text(encoding="utf-8").strip():
            click.echo(f"请填写 {path}：密钥由上级平台发放。")


@click.command()
@out_option
@click.option(
    "--host", "hosts", multiple=True, required=True, metavar="名称", help="单位访问 Kafka 用的主机名或地址，可写多个。"
)
def certificates(out: Path, hosts: tuple[str, ...]) -> None:
    """生成 Kafka 的自签证书；临近到期（30 天）或名称有变时重新生成服务器证书，根证书不变。"""
    # `kafka` is the broker's name among the services of docker-compose.yml.
    ca, server = ensure_certificates(out, ["kafka", *hosts])
    click.echo(
        f"根证书（交给各单位）：{ca}\n"
        f"服务器证书和私钥（保密）：{server}\n"
        f"根证书私钥（保密，离线保存）：{out / 'ca.key'}"
    )


@click.command()
@click.argument("service", type=click.Choice(list(SERVICES)), metavar="服务")
@click.option("--check", is_flag=True, help="只检查这个服务是否正常：正常退出码 0，否则 1。")
def airflow(service: str, check: bool) -> None:
    """运行 Airflow 的一个服务：api-server、scheduler、dag-processor、triggerer。"""
    settings = load_settings()
    deploy = deployment.load_deploy_settings(settings)
    if check:
        _check(deploy.airflow_api, service)
        return
    env = deployment.airflow_environment(settings, deploy)
    argv = [sys.executable, "-m", "credit_local.airflow_service", service, *SERVICES[service]]
    # Replaces this process: signals and exit code are the service's own.
    os.execve(sys.executable, argv, env)  # noqa: S606


def _check(api: str, service: str) -> None:
    # The answer names the services with an underscore; that the API server answers says that it is well.
    name = "metadatabase" if service == "api-server" else service.replace("-", "_")
    try:
        answer = httpx.get(f"{api}/api/v2/monitor/health", timeout=CHECK_TIMEOUT_S, trust_env=False)
        state = answer.json().get(name, {}).get("status")
    except (httpx.HTTPError, ValueError):
        state = "没有应答"
    click.echo(f"{service}：{state}")
    if state != "healthy":
        sys.exit(1)
