"""The configuration of a unit: mistakes are named by file and key, secrets are never shown."""

from __future__ import annotations

import pytest

from credit_producer.errors import NoSettings, SettingsError
from credit_producer.settings import configured_units, read_settings, unit_config_path, write_unit_config
from credit_schemas.sealing import generate_center_key

PASSWORD = "p4ss\"wörd\\\x7f'"  # everything TOML wants escaped


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def path(home):
    return unit_config_path("market")


def write(path, **more):
    values = {
        "unit": "market",
        "county": "410421",
        "bootstrap": "127.0.0.1:9093",
        "username": "unit.market",
        "password": PASSWORD,
        "center_key": str(generate_center_key().public),
    }
    return write_unit_config(path, **{**values, **more})


def broken(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(SettingsError) as error:
        read_settings(path)
    assert str(path) in str(error.value)
    assert PASSWORD not in str(error.value)
    return error.value


def test_what_the_center_writes_the_unit_can_read_and_nobody_else(path, home):
    settings = write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_settings(path) == settings
    assert settings.kafka.client_config()["sasl_plain_password"] == PASSWORD
    assert (settings.intake, settings.receipts) == ("credit.410421.intake.market", "credit.410421.receipts.market")
    assert settings.spool == home / "spool" / "market.sqlite"
    assert configured_units() == ["market"]
    assert [p.name for p in path.parent.iterdir()] == ["market.toml"]


def test_secrets_are_not_shown_when_settings_are_printed(path):
    settings = write(path)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert PASSWORD not in shown
        assert settings.salt.get_secret_value() not in shown


def test_written_again_the_salt_stays_so_that_keys_of_records_stay(path):
    salt = write(path).key_salt
    assert write(path, password="another").key_salt == salt
    assert write(path.with_name("edu.toml"), unit="edu").key_salt != salt


def test_password_may_come_from_the_environment(path, monkeypatch):
    write(path)
    lines = ['password_env = "MARKET_PASSWORD"' if "password" in x else x for x in path.read_text().splitlines()[1:]]
    path.write_text("\n".join(lines))
    with pytest.raises(SettingsError, match="MARKET_PASSWORD"):
        read_settings(path)
    monkeypatch.setenv("MARKET_PASSWORD", "from outside")
    assert read_settings(path).kafka.client_config()["sasl_plain_password"] == "from outside"


def test_paths_are_relative_to_the_file(path):
    path.parent.mkdir(parents=True)
    (path.parent / "ca.pem").write_text("certificate")
    write(path, cafile="ca.pem", spool="../my.sqlite")
    settings = read_settings(path)
    assert settings.kafka.cafile == path.parent / "ca.pem"
    assert settings.spool.resolve() == path.parent.parent / "my.sqlite"


def test_missing_file_is_named_and_others_are_offered(path):
    write(path)
    with pytest.raises(NoSettings) as error:
        read_settings(unit_config_path("edu"))
    assert str(unit_config_path("edu")) in str(error.value)
    assert "本机现有配置的单位：market" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("unit =", "units =", "unit", "缺少"),
        ("unit =", "units =", "units", "拼写"),
        ('county = "410421"', 'county = "41042"', "", "6 位"),
        ('county = "410421"', "county = 410421", "county", "加引号"),
        ('unit = "market"', 'unit = "市场 监管"', "", "单位代码"),
        ("x25519:", "x25519:A", "center_key", "公钥"),
        ("salt =", 'salt = "ab"\nold =', "salt", "十六进制"),
        ("[kafka]", "[kafkas]", "kafka", "缺少"),
        ("bootstrap = [", "bootstrap = [] #", "kafka.bootstrap", "不能为空"),
        (":9093", "", "kafka.bootstrap", "主机:端口"),
        ("password =", "# password =", "kafka", "password_env"),
        ("[kafka]", '[kafka]\ncafile = "nowhere.pem"', "kafka.cafile", "nowhere.pem"),
        ("[kafka]", '[kafka]\nsecurity_protocol = "PLAINTEXT"', "kafka.security_protocol", "可选"),
    ],
)
def test_each_mistake_is_named_by_its_key(path, old, new, key, said):
    write(path)
    found = dict(broken(path, old, new).defects)
    assert key in found, found
    assert said in found[key]


def test_broken_toml_is_told_with_its_place_and_without_its_line(path):
    write(path)
    assert "第 10 行" in str(broken(path, "password = ", "password == "))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_settings(path)
