#!/usr/bin/env bash
# Installs the real components that tests, benchmarks and the demo talk to, on Debian (bookworm, trixie).
#
#   scripts/install-components.sh [NAME...]     names: rabbitmq postgres orthanc dcmtk dicom3tools slapd prometheus iproute2 containers gdcm
#
# Without names: all but gdcm (a benchmark's peer). A component that is there already costs nothing.
# No system service is started or left enabled by what this installs: the tests start their own.
# Not root: says what is missing, and exits 0 on a desk, 1 when CI=true.
set -euo pipefail

DEFAULT=(rabbitmq postgres orthanc dcmtk dicom3tools slapd prometheus iproute2 containers)

declare -A PACKAGES=(
  [rabbitmq]="rabbitmq-server"
  [postgres]="postgresql"
  [orthanc]="orthanc orthanc-dicomweb"
  [dcmtk]="dcmtk"
  [dicom3tools]="dicom3tools"
  [slapd]="slapd"
  [prometheus]="prometheus"
  [iproute2]="iproute2"
  [containers]="buildah podman runc uidmap netavark aardvark-dns iptables catatonit python3-venv ca-certificates"
  [gdcm]="libgdcm-tools"
)
declare -A SERVICES=([rabbitmq]="rabbitmq-server epmd.socket epmd" [postgres]="postgresql" [orthanc]="orthanc" [slapd]="slapd" [prometheus]="prometheus")

have() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }
any() { local path; for path in "$@"; do [[ -x $path || -f $path ]] && return 0; done; return 1; }

present() {
  case $1 in
    rabbitmq) any /usr/lib/rabbitmq/bin/rabbitmq-server && have epmd ;;
    postgres) any /usr/lib/postgresql/*/bin/initdb || have initdb ;;
    orthanc)  have Orthanc && any /usr/share/orthanc/plugins/libOrthancDicomWeb.so* ;;
    dcmtk)    have storescu && have dcmsend && have findscu && have storescp ;;
    dicom3tools) have dciodvfy ;;
    slapd)    have slapd && have slapadd ;;
    prometheus) have promtool ;;
    iproute2) have ip ;;
    containers) have buildah && have podman && have runc && have iptables && have catatonit && any /usr/lib/podman/netavark ;;
    gdcm)     have gdcmanon ;;
  esac
}

missing_of() { local name; for name in "$@"; do present "$name" || printf '%s ' "$name"; done; }

names=("$@")
[[ ${#names[@]} -gt 0 ]] || names=("${DEFAULT[@]}")
for name in "${names[@]}"; do
  [[ -n ${PACKAGES[$name]:-} ]] || { echo "unknown component: $name (known: ${!PACKAGES[*]})" >&2; exit 2; }
done

read -ra missing <<<"$(missing_of "${names[@]}")"
[[ ${#missing[@]} -gt 0 ]] || exit 0

packages=()
for name in "${missing[@]}"; do
  read -ra wanted <<<"${PACKAGES[$name]}"
  packages+=("${wanted[@]}")
done

if [[ $(id -u) -ne 0 ]] || ! have apt-get; then
  echo "missing components: ${missing[*]}" >&2
  echo "as root on Debian:  apt-get install --no-install-recommends ${packages[*]}" >&2
  [[ ${CI:-} == true ]] && exit 1
  exit 0
fi

# Two of these at once would fight over apt's locks and over policy-rc.d.
exec 9>/run/lock/fiona-install-components
flock 9

# The Debian way to forbid a package's maintainer script to start its service.
policy=/usr/sbin/policy-rc.d
saved=
restore() {
  rm -f "$policy"
  [[ -z $saved ]] || mv -f "$saved" "$policy"
}
if [[ -e $policy || -L $policy ]]; then
  saved=$policy.fiona-saved
  mv -f "$policy" "$saved"
fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 9>&-; }

echo "installing ${packages[*]}"
apt_get update
apt_get install -y --no-install-recommends "${packages[@]}" >/dev/null </dev/null

if [[ -d /run/systemd/system ]]; then
  for name in "${missing[@]}"; do
    read -ra units <<<"${SERVICES[$name]:-}"
    [[ ${#units[@]} -eq 0 ]] || systemctl disable --quiet "${units[@]}" || true
  done
fi

read -ra missing <<<"$(missing_of "${names[@]}")"
[[ ${#missing[@]} -eq 0 ]] || { echo "installed, yet not found: ${missing[*]}" >&2; exit 1; }
