#!/usr/bin/env bash
# Smoke test for a CI pipeline: load CSVs into an S3 that lives as long as this script does.
# It needs no account, no container and no network:
#
#   pip install asyncload-s3 'moto[server]'     # or, in a clone, . for the first
#   ./ci-smoke.sh [FOLDER]
#
# FOLDER holds the CSVs; without it, two small ones are made. The script ends with 0 if each
# CSV is in the bucket, with asyncload's own exit code if that failed, and else with 1.
set -euo pipefail

fail() { echo "smoke test: $*" >&2; exit 1; }

for program in asyncload moto_server python3; do
    command -v "$program" >/dev/null ||
        fail "$program is not installed: pip install asyncload-s3 'moto[server]'"
done

work=$(mktemp -d)
server=
clean_up() {
    # By its PID: other servers on this machine are none of our business.
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

# moto takes any credentials. Setting some keeps the pipeline's real ones out of this.
unset AWS_PROFILE AWS_SESSION_TOKEN
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export NO_PROXY=127.0.0.1

# 1. The server, on a port that is free: it tells in its log which one it got.
moto_server -H 127.0.0.1 -p 0 >"$work/moto.log" 2>&1 &
server=$!
endpoint=
for _ in {1..300}; do
    endpoint=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$work/moto.log" | head -n 1) && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
[ -n "$endpoint" ] || { cat "$work/moto.log" >&2; fail "moto_server did not start"; }
echo "S3 at $endpoint"

# 2. The bucket. boto3 comes with moto.
s3() {
    python3 -c "
import boto3
s3 = boto3.client('s3', endpoint_url='$endpoint', region_name='us-east-1')
$1"
}
s3 "s3.create_bucket(Bucket='lake')"

# 3. The volume.
volume=${1:-$work/volume}
if [ $# -eq 0 ]; then
    mkdir -p "$volume/ratings"
    printf 'id|title\n1|The Tide\n' >"$volume/movies.csv"
    printf 'id|rating\n1|7.5\n' >"$volume/ratings/part-00000.csv"
fi

# 4. What is under test. A failure ends the script with its exit code.
asyncload run "$volume" --bucket lake --endpoint-url "$endpoint" --date 2022-05-02

# 5. What must be true now: as many keys as there are CSVs. asyncload leaves hidden ones out.
# Its record of the run lies below _asyncload/.
s3 "
for page in s3.get_paginator('list_objects_v2').paginate(Bucket='lake', Prefix='Raw/'):
    for found in page.get('Contents', ()):
        print(found['Key'])
" >"$work/keys"
cat "$work/keys"
expected=$(cd "$volume" && find . -type f -iname '*.csv' ! -path '*/.*' | wc -l)
landed=$(wc -l <"$work/keys")
[ "$landed" -eq "$expected" ] || fail "$landed objects in the bucket for $expected CSVs"
echo "smoke test: all $expected CSVs landed"
