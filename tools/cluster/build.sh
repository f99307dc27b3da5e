#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds what a cluster is made of, as far as it is missing: Kubernetes, etcd and helm from the Go module proxy, a small
# helper, and the images of the pods. Everything lies outside the repository; Go's caches grow to some 8 GB.
# On two cores: 15 minutes cold, under a second when all is there.
set -eu

here=$(dirname "$0")
# shellcheck source=tools/cluster/environment.sh
. "$here/environment.sh"

export GOTOOLCHAIN=local CGO_ENABLED=0
export GOFLAGS="-p=${PERIGEE_CLUSTER_JOBS:-$(nproc)} -mod=mod -buildvcs=false -trimpath"
go=$(sh tools/go.sh --path) || refuse 'there is no Go of 1.24 or later.' "run 'make deps'."
sources=$home/build
mkdir -p "$bin" "$images" "$sources"

step() {
  sh tools/step.sh "$@"
}

# Kubernetes requires its staging modules at v0.0.0: each is replaced by its release.
kubernetes_module() {
  folder=$sources/kubernetes
  mkdir -p "$folder"
  (cd "$folder" && rm -f go.mod go.sum)
  file=$(cd "$folder" && "$go" mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  {
    printf 'module build\n\n'
    grep -E '^(go|godebug) ' "$file"
    printf '\nrequire k8s.io/kubernetes %s\n' "$kubernetes"
    sed -n 's|^[[:space:]]*\(k8s\.io/[a-z0-9-]*\) v0\.0\.0\([[:space:]].*\)\{0,1\}$|\1|p' "$file" | sort -u |
      sed "s|.*|replace & => & v0.${kubernetes#v1.}|"
  } >"$folder/go.mod"
}

# Programs of Kubernetes that are missing. Several in one call share the work.
build_kubernetes() {
  missing=''
  for package in "$@"; do
    [ -x "$bin/${package##*/}" ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  [ -f "$sources/kubernetes/go.mod" ] || kubernetes_module
  version="-X k8s.io/component-base/version.gitVersion=$kubernetes -X k8s.io/component-base/version.gitMajor=1"
  minor=${kubernetes#v1.}
  version="$version -X k8s.io/component-base/version.gitMinor=${minor%%.*} -X k8s.io/component-base/version.gitTreeState=clean"
  # shellcheck disable=SC2086 # a list of words
  step -v "Building Kubernetes $kubernetes:$(for package in $missing; do printf ' %s' "${package##*/}"; done)" \
    sh tools/go-build.sh "$go" "$sources/kubernetes" -ldflags "-s -w $version" -o "$bin/" $missing
}

# A program with a module of its own: its name, module@version, package.
build_tool() {
  [ ! -x "$bin/$1" ] || return 0
  mkdir -p "$sources/$1"
  printf 'module build\n\ngo 1.25.0\n\nrequire %s %s\n' "${2%@*}" "${2#*@}" >"$sources/$1/go.mod"
  step -v "Building $1 ${2#*@}" sh tools/go-build.sh "$go" "$sources/$1" -ldflags '-s -w' -o "$bin/$1" "$3"
}

components=k8s.io/kubernetes/cmd
build_kubernetes $components/kube-apiserver $components/kube-controller-manager $components/kubectl \
  $components/kube-scheduler $components/kubelet $components/kube-proxy k8s.io/kubernetes/test/images/agnhost
build_tool etcd go.etcd.io/etcd/server/v3@$etcd go.etcd.io/etcd/server/v3
build_tool helm helm.sh/helm/v3@$helm helm.sh/helm/v3/cmd/helm
step 'Building the helper of the nodes' "$go" build -C "$here/go" -ldflags '-s -w' -o "$bin/node-helper" .
step 'Making the images of the pods' node "$here/images.ts" "$bin" "$images"
