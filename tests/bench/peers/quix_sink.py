"""Run by `quix.py` in the environment of Quix Streams: everything it needs comes as JSON on standard input."""

import json
import sys

from quixstreams import Application
from quixstreams.kafka.configuration import ConnectionConfig
from quixstreams.sinks.community.postgresql import PostgreSQLSink

told = json.load(sys.stdin)
kafka, postgres = told["kafka"], told["postgres"]
app = Application(
    broker_address=ConnectionConfig(
        bootstrap_servers=kafka["bootstrap_servers"],
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username=kafka["username"],
        sasl_password=kafka["password"],
        ssl_ca_location=kafka["cafile"],
    ),
    consumer_group=told["group"],
    auto_offset_reset="earliest",
    auto_create_topics=False,
    state_dir=told["state"],
    # A flush is a transaction: as many rows as every other side takes.
    commit_every=told["batch"],
    commit_interval=60.0,
)
sink = PostgreSQLSink(
    host=postgres["host"],
    port=int(postgres["port"]),
    dbname=postgres["dbname"],
    user=postgres["user"],
    password=postgres["password"],
    table_name=told["table"],
    # The table is there; looking for new columns in every batch would only cost it time.
    schema_auto_update=False,
    primary_key_columns=told["key"],
    upsert_on_primary_key=True,
    include_metadata=False,
)
app.dataframe(app.topic(told["topic"], value_deserializer="json")).sink(sink)
app.run(count=told["rows"], timeout=60.0)
