#!/bin/bash
# dbrestore-program: ${program_uri}
# dbrestore-max-minutes: ${max_minutes}
#
# First thing: the dead-man timer. Shutting down terminates the instance, whatever becomes of the control plane.
shutdown -h +${max_minutes}
set -euo pipefail
for attempt in 1 2 3 4 5; do
  dnf install -y python3.11 unzip && break
  sleep 10
done
mkdir -p /opt/dbrestore
for attempt in 1 2 3 4 5; do
  aws s3 cp --region "${region}" "${program_uri}" /opt/dbrestore.zip && break
  sleep 10
done
unzip -q -o /opt/dbrestore.zip -d /opt/dbrestore
rm /opt/dbrestore.zip
# Last thing: the SSM agent answers before this script is done, so a command waits for this file.
touch /opt/dbrestore/.ready
