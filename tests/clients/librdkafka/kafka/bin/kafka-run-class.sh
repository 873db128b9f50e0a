#!/usr/bin/env bash
# Stands in for Kafka's script of this name: runs a class of librdkafka's tests with Kafka's own client.
set -euo pipefail
exec java -Xmx256m -cp "$CLASSPATH:$KAFKA_JARS/*" "$@"
