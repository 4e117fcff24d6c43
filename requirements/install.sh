# `make install`, first part: which Python. In bash, so that where there's none, or an old one, a sentence says so.
# PYTHON names it; otherwise the first on the PATH that will do, and last the one that made .venv: it may have left the PATH.
set -euo pipefail

cd "$(dirname "$0")/.."
if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.11 python3 python3.12 python3.13 python3.14 .venv/bin/python; fi

for python; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$python" requirements/install.py
  fi
done

for python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$(command -v "$python") has no venv module: install it (Debian, Ubuntu: apt install python$version-venv)," \
      "or name another Python: make install PYTHON=/path/to/python3" >&2
    exit 1
  fi
done

found="no Python"
for python; do
  if command -v "$python" >/dev/null && version=$("$python" --version 2>&1); then found=$version; break; fi
done
if [ -n "${PYTHON:-}" ]; then place="PYTHON=$PYTHON is"; else place="the PATH has"; fi
echo "dbrestore needs Python 3.11 or newer, but $place $found." \
  "Install one (Debian 12, Ubuntu 24.04 or newer: apt install python3 python3-venv), or name one: make install PYTHON=/path/to/python3" >&2
exit 1
