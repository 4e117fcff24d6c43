#!/bin/bash
# dbrestore-program: ${program_uri}
# dbrestore-max-minutes: ${max_minutes}
#
# First thing: the dead-man timer. Shutting down terminates the instance, whatever becomes of the control plane.
shutdown -h +${max_minutes}
set -euo pipefail
# The program must be readable for the user that runs it, whatever the image's own umask is.
umask 022
mkdir -p /opt/dbrestore
failed() {
  # For the command that waits for the program, and for the console, whose text EC2 keeps when the instance is gone.
  echo "$$1" > /opt/dbrestore/.failed
  echo "dbrestore: the worker could not boot: $$1" >&2
  exit 1
}
lacking() {
  for program in python3.11 unzip aws setpriv useradd; do command -v "$$program" > /dev/null || echo "$$program"; done
}
# An agent that cannot reach SSM says so in its own log alone: onto the console, before the control plane keeps that and ends this worker.
systemd-run --quiet --on-active=420 --timer-property=AccuracySec=1s \
  /bin/sh -c 'tail -n 40 /var/log/amazon/ssm/errors.log | sed "s/^/dbrestore: SSM agent: /" > /dev/console' || true
proxy="${proxy}"
no_proxy_hosts="${no_proxy}"
if [ -n "$$proxy" ]; then
  # The way to AWS for the packages, the AWS CLI and the SSM agent here, and for the worker's program, whose `run` reads the file too.
  # The way to the database never goes through it: its drivers know no HTTP proxy.
  mkdir -p /etc/dbrestore /etc/systemd/system/amazon-ssm-agent.service.d
  for name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; do echo "$$name=$$proxy"; done > /etc/dbrestore/proxy
  for name in no_proxy NO_PROXY; do echo "$$name=$$no_proxy_hosts"; done >> /etc/dbrestore/proxy
  while IFS= read -r line; do export "$$line"; done < /etc/dbrestore/proxy
  printf '[Service]\nEnvironmentFile=/etc/dbrestore/proxy\n' > /etc/systemd/system/amazon-ssm-agent.service.d/dbrestore-proxy.conf
  systemctl daemon-reload
  # Not waited for: the agent may itself be waiting for the end of this script.
  systemctl --no-block restart amazon-ssm-agent
fi
# An image that brings them needs no package server, and its subnet no way to one.
for attempt in 1 2 3 4 5; do
  [ -n "$$(lacking)" ] || break
  dnf install -y python3.11 unzip util-linux shadow-utils || sleep 10
done
[ -z "$$(lacking)" ] || failed "the image lacks $$(lacking | xargs), and dnf can't install it: open the subnet's way to the package \
repository (for Amazon Linux the S3 bucket al2023-repos-<Region>-de612dc2, which an endpoint's policy may forbid), or name an image that \
brings Python 3.11 and unzip (worker.imageId)"
for attempt in 1 2 3 4 5; do
  aws s3 cp --region "${region}" "${program_uri}" /opt/dbrestore.zip && break
  sleep 10
done
[ -e /opt/dbrestore.zip ] || failed "${program_uri} could not be fetched: check the subnet's way to S3, the endpoint's policy, and that the \
TargetStack's program is there"
unzip -q -o /opt/dbrestore.zip -d /opt/dbrestore || failed "${program_uri} could not be unpacked"
rm /opt/dbrestore.zip
# The program reads what others wrote, so it runs as a user who may do nothing here, not even change the program; `run-job` starts it so.
# What it holds in memory, passwords among it, is never dumped to the volume.
id dbrestore > /dev/null 2>&1 || useradd --system --home-dir /var/lib/dbrestore --shell /sbin/nologin dbrestore \
  || failed "the image can't make the user dbrestore: name an image with a writable /etc/passwd (worker.imageId)"
install -d -o dbrestore -g dbrestore -m 700 /var/lib/dbrestore
sysctl -qw kernel.core_pattern='|/bin/false' || true
echo "dbrestore /var/lib/dbrestore" > /opt/dbrestore/.user
# The SSM agent answers before this script is done, so a command waits for this file.
touch /opt/dbrestore/.ready
# The archive holds source alone, and the user who runs it may write nothing here: each job would compile it anew, for three seconds. What
# a job needs before this is done it compiles for itself.
PYTHONPATH=/opt/dbrestore python3.11 -P -s -S -c "import dbrestore.worker.__main__, dbrestore.worker.postgresql.jobs, \
dbrestore.worker.postgresql.dumps.reading, dbrestore.worker.sqlserver.jobs" || true
