#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The control plane on this host: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.
# usage: control-plane.sh up | down | start NAME | stop NAME     start and stop are for tests that take one away
set -eu

# shellcheck source=tools/cluster/environment.sh
. "$(dirname "$0")/environment.sh"
pki=$run/pki

make_key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$1.key" 2>/dev/null
}

# NAME SUBJECT USAGE [ALTERNATIVE-NAMES]
make_certificate() {
  make_key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  {
    echo 'basicConstraints=CA:FALSE'
    echo 'keyUsage=critical,digitalSignature'
    echo "extendedKeyUsage=$3"
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$pki/$1.extensions"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 3650 \
    -extfile "$pki/$1.extensions" -out "$pki/$1.crt" 2>/dev/null
}

make_certificates() {
  mkdir -p "$pki"
  make_key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj /CN=perigee-test -days 3650 -out "$pki/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature,cRLSign
  first=${services%.*}.1
  names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  make_certificate apiserver /CN=kube-apiserver serverAuth "IP:127.0.0.1,IP:$host,IP:$first,$names"
  make_certificate kubelet-client /O=system:masters/CN=apiserver-kubelet-client clientAuth
  openssl genrsa -out "$pki/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub" 2>/dev/null
}

# NAME USER [GROUP]: a token, and a file that says how to use it.
make_access() {
  token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "$token,$2,$1${3:+,\"$3\"}" >>"$run/tokens.csv"
  cat >"$run/$1.kubeconfig" <<FILE
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$host:6443", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}]
users: [{name: user, user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
current-context: test
FILE
}

make_accesses() {
  : >"$run/tokens.csv"
  chmod 600 "$run/tokens.csv"
  make_access admin admin system:masters
  make_access controllers system:kube-controller-manager
  make_access scheduler system:kube-scheduler
  make_access kube-proxy system:kube-proxy
  for node in $nodes; do
    make_access "$node" "system:node:$node" system:nodes
  done
}

# A process in a session of its own. `down` ends exactly what is recorded here.
launch() {
  name=$1
  shift
  setsid "$@" >>"$run/log/$name.log" 2>&1 </dev/null &
  echo "$! $(start_of $!)" >"$run/process/$name"
}

start() {
  case $1 in
    etcd)
      launch etcd "$bin/etcd" --name test --data-dir "$run/etcd" --unsafe-no-fsync --logger=zap --log-level=warn \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster test=http://127.0.0.1:2380
      ;;
    kube-apiserver)
      launch kube-apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address="$host" \
        --advertise-address="$host" --endpoint-reconciler-type=lease --service-cluster-ip-range=$services \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
        --token-auth-file="$run/tokens.csv" --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key" \
        --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
        --kubelet-preferred-address-types=InternalIP --authorization-mode=Node,RBAC \
        --enable-admission-plugins=NodeRestriction --allow-privileged=true --profiling=false
      ;;
    kube-controller-manager)
      launch kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$run/controllers.kubeconfig" \
        --authentication-kubeconfig="$run/controllers.kubeconfig" --authorization-kubeconfig="$run/controllers.kubeconfig" \
        --bind-address=127.0.0.1 --cert-dir="$run/controllers" --leader-elect=false --use-service-account-credentials=true \
        --service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
        --allocate-node-cidrs=true --cluster-cidr=$pods.0.0/16 --service-cluster-ip-range=$services \
        --kube-api-qps=500 --kube-api-burst=1000
      ;;
    kube-scheduler)
      launch kube-scheduler "$bin/kube-scheduler" --kubeconfig="$run/scheduler.kubeconfig" --bind-address=127.0.0.1 \
        --authentication-kubeconfig="$run/scheduler.kubeconfig" --authorization-kubeconfig="$run/scheduler.kubeconfig" \
        --cert-dir="$run/scheduler" --leader-elect=false
      ;;
    *) refuse "there is no part of the control plane called $1." 'use etcd, kube-apiserver, kube-controller-manager or kube-scheduler.' ;;
  esac
}

stop() {
  [ -f "$run/process/$1" ] || return 0
  read -r process began <"$run/process/$1"
  if is_running "$process" "$began"; then
    kill -TERM "$process"
    tries=0
    while is_running "$process" "$began"; do
      tries=$((tries + 1))
      [ $tries -lt 100 ] || kill -KILL "$process"
      sleep 0.1
    done
  fi
  rm -f "$run/process/$1"
}

# WHAT COMMAND...: until it succeeds, or a part of the control plane has ended.
await() {
  what=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    for file in "$run"/process/*; do
      read -r process began <"$file"
      is_running "$process" "$began" || refuse "${file##*/} ended while $what was awaited." "see $run/log/${file##*/}.log"
    done
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || refuse "waited two minutes for $what." "see $run/log"
    sleep 0.1
  done
}

case ${1:-} in
  up)
    mkdir -p "$run/log" "$run/process"
    make_bridge
    make_certificates
    make_accesses
    start etcd
    start kube-apiserver
    await 'the API server' curl -sf --cacert "$pki/ca.crt" "https://$host:6443/readyz"
    start kube-controller-manager
    start kube-scheduler
    await 'the default service account' "$bin/kubectl" --kubeconfig="$kubeconfig" -n default get serviceaccount default
    ;;
  start)
    # A second one would be in no record.
    if [ -f "$run/process/$2" ]; then
      read -r process began <"$run/process/$2"
      ! is_running "$process" "$began" || exit 0
    fi
    start "$2"
    [ "$2" != kube-apiserver ] || await 'the API server' curl -sf --cacert "$pki/ca.crt" "https://$host:6443/readyz"
    ;;
  stop) stop "$2" ;;
  down)
    for part in kube-scheduler kube-controller-manager kube-apiserver etcd; do
      stop $part
    done
    ;;
  *) refuse "unknown: ${1:-nothing}" 'use up, down, start NAME or stop NAME.' ;;
esac
