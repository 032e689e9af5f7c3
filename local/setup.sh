#!/usr/bin/env bash
# Make the Python environment .venv from requirements.lock; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9

say() { printf '%s\n' "$*" >&2; }

apt_install() {
    # $1: what for; the rest: packages. As root or with sudo; otherwise says what to install.
    local purpose=$1; shift
    local sudo=""
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo="sudo"; else
            say "缺少${purpose}，而当前用户没有管理员权限。请让管理员执行：apt-get install $*"; exit 1
        fi
    fi
    command -v apt-get >/dev/null || { say "缺少${purpose}，本机不是 Debian 或 Ubuntu。请先安装：$*"; exit 1; }
    say "安装${purpose}：$* …"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

servers() {
    local missing=()
    # Any Java from 17 on runs Kafka 4; Maven fetches its program files once.
    command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
    command -v mvn >/dev/null || missing+=(maven)
    if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null; then
        missing+=(postgresql)
        # Debian would start a cluster of its own on port 5432; ours lives in the run folder.
        if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
        fi
    fi
    [ ${#missing[@]} = 0 ] || apt_install "服务程序" "${missing[@]}"
}

font() {
    # The one Chinese font that PDF reports embed (1.6 MB). Everything else works without it, so it never stops us.
    [ -e /usr/share/fonts/truetype/wqy/wqy-microhei.ttc ] && return
    (apt_install "中文字体" fonts-wqy-microhei) || say "没有中文字体，PDF 的信用报告暂时做不了（.docx 可以）。"
}

python_env() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
        say "需要 Python 3.11 或更新的版本（python3 --version 查看）。"; exit 1; }
    local stamp=.venv/.made-of wanted
    wanted=$(cat requirements.lock pyproject.toml schemas/pyproject.toml producers/pyproject.toml local/setup.sh | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    local uv
    if ! uv=$(command -v uv); then
        uv=.tools/bin/uv
        if [ ! -x "$uv" ]; then
            python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python 虚拟环境" python3-venv
            say "安装 uv …"
            python3 -m venv .tools
            .tools/bin/pip install -q --disable-pip-version-check "uv==$UV_VERSION"
        fi
    fi
    say "准备 Python 环境 .venv …"
    [ -x .venv/bin/python ] || "$uv" venv -q --python "$(command -v python3)" .venv
    # Hashes are checked for every file; our own three distributions are linked, not copied. Compiled once here, because
    # the first start of Airflow would pay for it otherwise.
    "$uv" pip sync -q --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
    "$uv" pip install -q --python .venv/bin/python --no-deps -e schemas -e producers -e .
    echo "$wanted" > "$stamp"
}

case "${1:-all}" in
    python) python_env ;;
    servers) servers ;;
    all) servers; font; python_env ;;
    *) say "用法：local/setup.sh [python|servers|all]"; exit 2 ;;
esac
