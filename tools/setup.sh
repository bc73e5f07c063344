#!/usr/bin/env bash
# Sets Gatesync up on a fresh Debian 12/13 or Raspberry Pi OS machine:
# system packages, then the locked environment in .venv, then the project itself.
#
#   tools/setup.sh            what running needs
#   tools/setup.sh --tests    also what only tests need (Chromium, PostgreSQL)
#
# Each step leaves a stamp that names what it was made from; a second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
with_tests=no
[ "${1:-}" = "--tests" ] && with_tests=yes
APT_LOG=""

say() { printf '%s\n' "gatesync setup: $*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

has_zbar() {
  local found
  found=$(find /usr/lib /usr/local/lib -name 'libzbar.so.0*' -print -quit 2>/dev/null)
  [ -n "$found" ]
}
has_korean_font() {
  [ -n "$(find /usr/share/fonts -iname 'Nanum*' -o -iname 'NotoSansCJK*' 2>/dev/null | head -n 1)" ]
}
has_libevdev() { [ -n "$(find /usr/lib -name 'libevdev.so.2*' -print -quit 2>/dev/null)" ]; }
has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }
has_libatomic() { [ -n "$(find /usr/lib -name 'libatomic.so.1*' -print -quit 2>/dev/null)" ]; }
has_poppler() { command -v pdftoppm >/dev/null; }
has_dbus_daemon() { command -v dbus-daemon >/dev/null; }
has_faketime() { [ -n "$(find /usr/lib -name 'libfaketimeMT.so.1' -print -quit 2>/dev/null)" ]; }
has_disasters() {
  command -v strace >/dev/null && [ -n "$(find /usr/sbin /sbin -name mkfs.ext4 -print -quit 2>/dev/null)" ] &&
    command -v mount >/dev/null && command -v findmnt >/dev/null
}
has_postgresql() {
  [ -n "$(find /usr/lib/postgresql -name initdb -print -quit 2>/dev/null)" ] || command -v initdb >/dev/null
}
zbar_package() {
  if apt-cache show libzbar0t64 >/dev/null 2>&1; then echo libzbar0t64; else echo libzbar0; fi
}

# The tests start their own; the package would start one for the machine as well.
no_cluster_of_its_own() {
  local folder=/etc/postgresql-common/createcluster.d
  as_root mkdir -p "$folder"
  echo "create_main_cluster = false" | as_root tee "$folder/gatesync.conf" >/dev/null
}

apt_install() {
  APT_LOG=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$APT_LOG" 2>&1 || return 1
  local packages=() one
  for one in "$@"; do
    [ "$one" = zbar ] && one=$(zbar_package)
    [ "$one" = postgresql ] && no_cluster_of_its_own
    packages+=("$one")
  done
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${packages[@]}" >>"$APT_LOG" 2>&1
}

system_packages() {
  local missing=() without=()
  has_venv || { missing+=(python3-venv); without+=("python3-venv (needed: nothing works without it)"); }
  has_zbar || { missing+=(zbar); without+=("libzbar0 (the second QR decoder is off; zxing-cpp still reads)"); }
  has_libevdev || { missing+=(libevdev2); without+=("libevdev2 (hand scanners that act as keyboards are off; serial ones work)"); }
  has_korean_font || { missing+=(fonts-nanum); without+=("fonts-nanum (Korean names are missing in PDFs)"); }
  if [ "$with_tests" = yes ] && ! has_chromium; then
    missing+=(chromium)
    without+=("chromium (browser tests are skipped; all others run)")
  fi
  if [ "$with_tests" = yes ] && ! has_libatomic; then
    missing+=(libatomic1) # Playwright's driver is a node that wants it
    without+=("libatomic1 (browser tests can't start their driver)")
  fi
  if [ "$with_tests" = yes ] && ! has_faketime; then
    missing+=(libfaketime)
    without+=("libfaketime (the test of wrong clocks is skipped)")
  fi
  if [ "$with_tests" = yes ] && ! has_disasters; then
    missing+=(e2fsprogs mount strace util-linux)
    without+=("e2fsprogs, mount, strace, util-linux (tests of failing cards are skipped)")
  fi
  if [ "$with_tests" = yes ] && ! has_poppler; then
    missing+=(poppler-utils)
    without+=("poppler-utils (tests that read tickets off PDF pages are skipped)")
  fi
  if [ "$with_tests" = yes ] && ! has_postgresql; then
    missing+=(postgresql)
    without+=("postgresql (tests on PostgreSQL are skipped; all others run on SQLite)")
  fi
  if [ "$with_tests" = yes ] && ! has_dbus_daemon; then
    missing+=(dbus)
    without+=("dbus (tests of beacons on a mock BlueZ are skipped; all others run)")
  fi
  [ ${#missing[@]} = 0 ] && return 0
  if may_install; then
    say "installing system packages: ${missing[*]}"
    apt_install "${missing[@]}" && return 0
  fi
  local list
  list=$(printf '; %s' "${without[@]}")
  say "apt could not be used, so these are missing: ${list#; }${APT_LOG:+ (log: $APT_LOG)}"
  has_venv
}

stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

environment() {
  local want
  want="$(stamp_of requirements/lock.txt) $(python3 -c 'import sys; print(sys.base_prefix, sys.version_info[:2])')"
  [ "$(cat $VENV/.lock-stamp 2>/dev/null)" = "$want" ] && return 0
  say "making $VENV from requirements/lock.txt"
  [ -x $VENV/bin/pip ] || python3 -m venv --clear $VENV
  $VENV/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
    -r requirements/lock.txt
  printf '%s' "$want" >$VENV/.lock-stamp
}

project() {
  local want
  want="$(stamp_of pyproject.toml) $PWD"
  [ "$(cat $VENV/.project-stamp 2>/dev/null)" = "$want" ] && return 0
  say "installing the project"
  $VENV/bin/python -m pip install -qq --disable-pip-version-check --no-deps \
    --no-build-isolation --editable .
  printf '%s' "$want" >$VENV/.project-stamp
}

# Charts alone need them: without them the page says so, and everything else works.
page_scripts() {
  tools/web/fetch.sh || say "the pages' chart library could not be fetched: charts are missing until the next 'make setup' that can"
}

system_packages || exit 1
environment
project
page_scripts
