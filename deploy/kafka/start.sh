#!/bin/bash
# Start the broker in its container: fill in the template, make the storage once, hand over to Kafka.
# Every place can be set from outside, so that the tests run this very file without a container.
set -euo pipefail
umask 077

: "${KAFKA_PUBLIC_HOST:?set the host name or address by which departments reach the broker}"
BIN=${KAFKA_BIN:-/opt/kafka/bin}
TEMPLATE=${KAFKA_TEMPLATE:-/etc/credit-kafka/server.properties}
SECRETS=${KAFKA_SECRETS:-/run/secrets}
RUN=${KAFKA_RUN:-/tmp/kafka}
DATA=${KAFKA_DATA:-/var/lib/kafka/data}

secret() {
    # URL-safe characters only: anything else would need quoting in the JAAS lines, or end them.
    local value
    value=$(<"$SECRETS/$1")
    [[ $value =~ ^[A-Za-z0-9_-]{16,}$ ]] || { echo "secret $1: at least 16 of A-Z a-z 0-9 _ - are needed" >&2; exit 1; }
    printf '%s' "$value"
}

admin=$(secret kafka_admin_password)
controller=$(secret kafka_controller_password)
text=$(<"$TEMPLATE")
text=${text//@INTERNAL_HOST@/${KAFKA_INTERNAL_HOST:-kafka}}
text=${text//@INTERNAL_PORT@/${KAFKA_INTERNAL_PORT:-9092}}
text=${text//@CLIENT_PORT@/${KAFKA_CLIENT_PORT:-9094}}
text=${text//@CONTROLLER_PORT@/${KAFKA_CONTROLLER_PORT:-9093}}
text=${text//@PUBLIC_HOST@/$KAFKA_PUBLIC_HOST}
text=${text//@PUBLIC_PORT@/${KAFKA_PUBLIC_PORT:-9094}}
text=${text//@SERVER_PEM@/$SECRETS/kafka_server_pem}
text=${text//@CA_PEM@/${KAFKA_CA_PEM:-/etc/credit-kafka/ca.pem}}
text=${text//@DATA_DIR@/$DATA}
text=${text//@ADMIN_PASSWORD@/$admin}
text=${text//@CONTROLLER_PASSWORD@/$controller}
mkdir -p "$RUN"
printf '%s\n' "$text" > "$RUN/server.properties"

if [ ! -e "$DATA/meta.properties" ]; then
    # An identifier with a leading dash would be read as an option.
    while id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='); [[ $id == -* ]]; do :; done
    # From a file: on the command line any process list would show the password.
    printf '%s\n' format --config "$RUN/server.properties" --cluster-id "$id" \
        --add-scram "SCRAM-SHA-512=[name=admin,password=$admin]" > "$RUN/format.args"
    "$BIN/kafka-storage.sh" "@$RUN/format.args"
    rm -f "$RUN/format.args"
fi
exec "$BIN/kafka-server-start.sh" "$RUN/server.properties"
