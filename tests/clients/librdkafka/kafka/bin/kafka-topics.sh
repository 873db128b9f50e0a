#!/usr/bin/env bash
# Stands in for Kafka's tool of this name, as far as librdkafka's tests call it: our own command line does it.
set -euo pipefail
name='' verb='' bootstrap='' args=()
while [ $# -gt 0 ]; do
  case $1 in
    --create | --alter | --delete) verb=${1#--} && shift && continue ;;
    --topic) name=$2 ;;
    --bootstrap-server) bootstrap=$2 ;;
    --replication-factor) args+=(--replication "$2") ;;
    --partitions | --config) args+=("$1" "$2") ;;
    *) echo "kafka-topics.sh stand-in: $1?" >&2 && exit 2 ;;
  esac
  shift 2
done
exec "$RINGMAIN" topic "$verb" "$name" --bootstrap "$bootstrap" "${args[@]}"
