# `make test`, for the pages: Debian's chromium, where it is missing and can be installed. Where it can't, the tests of pages say so and fail.
set -euo pipefail

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null; then exit 0; fi
done
command -v apt-get >/dev/null || exit 0
if [ "$(id -u)" -eq 0 ]; then as_root=(); elif sudo -n true 2>/dev/null; then as_root=(sudo -n); else exit 0; fi

echo "Installing the browser that the tests of pages use (once, about a minute)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium >"$log" 2>&1; }
# A fresh container has no lists of packages.
install || { "${as_root[@]}" apt-get update >"$log" 2>&1 && install; } || tail -n 3 "$log" >&2
