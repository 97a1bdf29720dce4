#!/bin/sh
# Installs from Debian what the lab and the benchmarks drive. Does nothing when
# all of it is there.
set -eu
want=""
need() { command -v "$1" >/dev/null 2>&1 || want="$want $2"; }
need ip iproute2
need nft nftables
need curl curl
need wrk wrk
need h2load nghttp2-client
need haproxy haproxy
need nginx nginx-light
need openssl openssl
need socat socat
need tmux tmux
need ssh openssh-client
python3 -c 'import websocket' 2>/dev/null || /usr/bin/python3 -c 'import websocket' 2>/dev/null || want="$want python3-websocket"
[ -z "$want" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "lab: these Debian packages are missing:$want; install them as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $want >/dev/null
