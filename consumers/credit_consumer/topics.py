"""Provision Kafka: topics, users and rights of a county, as often as one likes.

Run by the center's administrator; everything is given by topic and principal, nothing to everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from credit_schemas import topics as names

_DAY_MS = 24 * 60 * 60 * 1000
# A consumer that stands still over the longest holiday (8 days) and a repair after it loses nothing; what is
# older is re-sent from the units' spools. Longer costs disk for every unit, 0 would drop events unread.
INTAKE_RETENTION_MS = 30 * _DAY_MS
# A department that opens its computer once a quarter still finds the quarter's receipts.
RECEIPTS_RETENTION_MS = 100 * _DAY_MS
# A nudge only wakes Airflow, which reads what is due from the warehouse.
LOADED_RETENTION_MS = 7 * _DAY_MS
# Kafka's own default, said aloud: the widest row of any dataset is a tenth of it.
MAX_MESSAGE_BYTES = 1_048_588
# RFC 7677 asks for at least 4096; more slows down every login of a client, and our passwords are random.
SCRAM_ITERATIONS = 8192


class ProvisionError(Exception):
    """The broker refused a part of the provisioning; what was done stays, running it again completes it."""

    retriable = True

    def __init__(self, what: str, details: Iterable[str]) -> None:
        self.what = what
        self.details = tuple(details)
        super().__init__(f"Kafka 拒绝了{what}：{'；'.join(self.details)}。请检查管理员权限后重试。")


@dataclass(frozen=True)
class ProvisionReport:
    """What a run changed, and what there is now.

    Attributes:
        created, altered: topics made, and topics whose settings were put right.
        rights_added: number of access rules that were missing.
        users: principals whose password was set.
        users_without_password: principals that have rights but got no password in this run.
        topic_ids: every topic of the county's units with its UUID (a new UUID is a new epoch).
    """

    created: tuple[str, ...]
    altered: tuple[str, ...]
    rights_added: int
    users: tuple[str, ...]
    users_without_password: tuple[str, ...]
    topic_ids: Mapping[str, UUID] = field(repr=False)


def provision(
    admin: KafkaAdminClient,
    county_code: str,
    units: Iterable[str],
    passwords: Mapping[str, str],
    *,
    replication: int = 1,
    trust_producer_time: bool = False,
) -> ProvisionReport:
    """Make what is missing for `units` of a county, and put right what differs. Nothing is ever removed.

    Args:
        admin: a client logged in as super user.
        passwords: password by principal (`unit.<unit>`, `center.consumer` …); set anew at each run.
        replication: copies of each topic; 3 on a cluster.
        trust_producer_time: intake topics take the producer's time (test stacks only).

    Raises:
        ProvisionError: the broker refused something.
        KafkaError: the broker cannot be reached, or the login is wrong.
    """
    codes = sorted(set(units))
    wanted = _wanted_topics(county_code, codes, replication, trust_producer_time)
    principals = [*map(names.unit_principal, codes), *names.SERVICE_PRINCIPALS]
    created = _create_topics(admin, wanted, replication)
    altered = _alter_topics(admin, {name: wanted[name] for name in wanted if name not in created})
    rights_added = _grant(admin, rights(county_code, codes))
    users = sorted(set(principals) & set(passwords))
    _set_passwords(admin, {user: passwords[user] for user in users})
    described = admin.describe_topics(list(wanted))
    return ProvisionReport(
        created=tuple(created),
        altered=tuple(altered),
        rights_added=rights_added,
        users=tuple(users),
        users_without_password=tuple(sorted(set(principals) - set(users))),
        topic_ids={topic["name"]: UUID(str(topic["topic_id"])) for topic in described},
    )


def rights(county_code: str, units: Iterable[str]) -> list[ACL]:
    """Who may do what: the whole list of access rules of a county.

    WRITE and READ include DESCRIBE. Idempotent producers need no right of their own (KIP-679): WRITE on any
    topic is enough.
    """
    read, write = ACLOperation.READ, ACLOperation.WRITE
    topic, group = ResourceType.TOPIC, ResourceType.GROUP
    intake = names.intake_prefix(county_code)
    receipts = names.receipts_prefix(county_code)
    loaded = names.loaded_topic(county_code)
    result = [
        _allow(names.PORTAL, write, topic, intake, prefixed=True),
        _allow(names.CENTER_CONSUMER, read, topic, intake, prefixed=True),
        _allow(names.CENTER_CONSUMER, read, group, names.CENTER_GROUP_PREFIX, prefixed=True),
        _allow(names.CENTER_RELAY, write, topic, receipts, prefixed=True),
        _allow(names.CENTER_RELAY, write, topic, loaded),
        _allow(names.CENTER_AIRFLOW, read, topic, loaded),
        _allow(names.CENTER_AIRFLOW, read, group, names.AIRFLOW_GROUP_PREFIX, prefixed=True),
    ]
    for unit in units:
        principal = names.unit_principal(unit)
        result += [
            _allow(principal, write, topic, names.intake_topic(county_code, unit)),
            _allow(principal, read, topic, names.receipts_topic(county_code, unit)),
            _allow(principal, read, group, names.unit_group_prefix(unit), prefixed=True),
        ]
    return result


def _allow(principal: str, operation: ACLOperation, kind: ResourceType, name: str, *, prefixed: bool = False) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{principal}",
        host="*",
        operation=operation,
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(kind, name, pattern),
    )


def _wanted_topics(
    county: str, units: Iterable[str], replication: int, trust_producer_time: bool
) -> dict[str, dict[str, str]]:
    common = {
        "cleanup.policy": "delete",
        # With two copies, asking for both would stop all writing when one node restarts.
        # The broker unpacks what a producer packs: a kilobyte on the wire must not become a gigabyte in the consumer,
        # and no client has to know a codec.
        "compression.type": "uncompressed",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication >= 3 else "1",
    }
    broker_clock = {"message.timestamp.type": "LogAppendTime"}
    intake = {**common, **broker_clock, "retention.ms": str(INTAKE_RETENTION_MS)}
    if trust_producer_time:
        # Retention goes by the record's own time: played past days would be deleted at once.
        intake = {**common, "message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    receipts = {**common, **broker_clock, "retention.ms": str(RECEIPTS_RETENTION_MS)}
    topics = {names.loaded_topic(county): {**common, **broker_clock, "retention.ms": str(LOADED_RETENTION_MS)}}
    for unit in units:
        topics[names.intake_topic(county, unit)] = intake
        topics[names.receipts_topic(county, unit)] = receipts
    return topics


def _create_topics(admin: KafkaAdminClient, wanted: Mapping[str, Mapping[str, str]], replication: int) -> list[str]:
    existing = set(admin.list_topics())
    missing = [name for name in wanted if name not in existing]
    if missing:
        # One partition, never more: order within a unit is part of the contract.
        specs = {
            name: {"num_partitions": 1, "replication_factor": replication, "configs": dict(wanted[name])}
            for name in missing
        }
        admin.create_topics(specs, wait_for_metadata=True)
    return missing


def _alter_topics(admin: KafkaAdminClient, wanted: Mapping[str, Mapping[str, str]]) -> list[str]:
    if not wanted:
        return []
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict(configs)) for name, configs in wanted.items()]
    current = admin.describe_configs(asked, config_filter="all")["topic"]
    different = [
        name
        for name, configs in wanted.items()
        if any(current[name][key]["value"] != value for key, value in configs.items())
    ]
    if different:
        changes = [ConfigResource(ConfigResourceType.TOPIC, name, dict(wanted[name])) for name in different]
        answers = admin.alter_configs(changes)["topic"]
        _raise_for("主题设置", {name: str(answer) for name, answer in answers.items() if answer != "OK"})
    return different


def _grant(admin: KafkaAdminClient, wanted: list[ACL]) -> int:
    anything = ACLFilter(
        principal=None,
        host=None,
        operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
    existing, _ = admin.describe_acls(anything)
    missing = [acl for acl in wanted if acl not in set(existing)]
    if missing:
        failed = admin.create_acls(missing)["failed"]
        _raise_for("访问权限", {error.__name__: error.__name__ for error in failed})
    return len(missing)


def _set_passwords(admin: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    if not passwords:
        return
    mechanism = ScramMechanism.SCRAM_SHA_512
    changes = [
        UserScramCredentialUpsertion(user, mechanism, password, iterations=SCRAM_ITERATIONS)
        for user, password in passwords.items()
    ]
    answers = admin.alter_user_scram_credentials(changes)
    _raise_for("用户密码", {user: error for user, error in answers.items() if error})


def _raise_for(what: str, errors: Mapping[str, str]) -> None:
    if errors:
        raise ProvisionError(what, [f"{name}（{error}）" for name, error in errors.items()])
