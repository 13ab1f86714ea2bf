#!/usr/bin/env bash
# Adoption, from an empty database to an anomaly decided and proven, on a PostgreSQL server that ward did not start. The path of docs/ADOPTING.md: what that page
# claims, this script does. Starts a server of its own in a temporary directory, on a Unix socket, and leaves nothing behind.
#
#   testdata/adopt.sh          WARD_PG_BIN=DIR where initdb and psql are, if they are not found
set -euo pipefail
cd "$(dirname "$0")/.."

script=adoption
. testdata/server.sh

# field NAME: a field of the first JSON line on standard input.
field() { sed -nE "1s/.*\"$1\":(\"([^\"]*)\"|([0-9]+)).*/\\2\\3/p"; }

go build -buildvcs=false -o "$work/readpart" ./testdata/readpart

begin "settings and a signing key"
mkdir "$work/archive"
"$work/ward" archive keygen ward-adopt "$work/log.key" >"$work/log.pub" 2>/dev/null
cat >"$work/ward.yaml" <<YAML
database: $(url ward_reviewer)
worker_database: $(url ward_worker)
installation: adopt
store: $work/archive
signing_key: $work/log.key
verify_key: $work/log.pub
YAML
export WARD_CONFIG=$work/ward.yaml XDG_STATE_HOME=$work/state

begin "clinics, people, memberships, grants"
sign_in root
by root tenant add cedar "Cedar Clinic" >/dev/null 2>&1
by root tenant add harbor "Harbor Clinic" >/dev/null 2>&1
for user in casey hugo dana eli; do
	by root user add "$user" "$user Adopter" --password <<<"$password" >/dev/null 2>&1
done
by root member add cedar casey clinician >/dev/null 2>&1
by root member add harbor hugo clinician >/dev/null 2>&1
for user in dana eli; do
	by root grant add "$user" compliance_officer --reason "privacy office" >/dev/null 2>&1
	sign_in "$user"
done

begin "a table of the customer's own, protected"
"$bin/psql" -q -X -f testdata/adopt_schema.sql
"$work/ward" protect public.visits --database "$(url postgres)" --subject patient_id --permit clinician=view,create,modify 2>/dev/null
"$bin/psql" -q -X -v ON_ERROR_STOP=1 -c "select tenancy.relate('public.visits', 'visit', '{\"user\": \"provider_id\", \"patient\": \"patient_id\", \"from\": \"visited_at\"}')" >/dev/null

begin "ward worker"
"$work/ward" worker 2>"$work/worker.log" &
worker=$!

begin "the application: write, ask, look, and one misbehaviour"
PGUSER=ward_app PGOPTIONS="$PGOPTIONS -c ward.password=$password" "$bin/psql" -q -X -f testdata/adopt.sql >"$work/app.out"
misbehaved=$SECONDS
! grep '^refused: [^n]' "$work/app.out" || die "an identity was refused"
for line in "casey signed in: true" "read: Synthetic headache" "read: Synthetic migraine" "other clinic: 0 rows"; do
	grep -qx "$line" "$work/app.out" || die "the application did not say \"$line\""
done

begin "the anomaly is in the queue"
found() { by dana queue list --rule A02 --tenant cedar --actor casey --json >"$work/queue.json" && [ -s "$work/queue.json" ]; }
until_true 60 found
anomaly=$(field id <"$work/queue.json")
echo "      $((SECONDS - misbehaved)) s after the misbehaviour: $(field summary <"$work/queue.json")"

begin "dana claims and closes, eli approves"
by dana queue claim "$anomaly" >/dev/null
closed=$(by dana queue close "$anomaly" --as policy_violation_no_breach --field exception=unintentional_access --field sanction="training record TR-7" --reason "a link from the other clinic; Casey was asked" --json | field event_id)
! by dana queue approve "$anomaly" --reason "my own closing" 2>/dev/null || die "dana approved her own closing"
approved=$(by eli queue approve "$anomaly" --reason "read the evidence and agree" --json | field event_id)
[ "$(by eli queue list --all --json | field state)" = closed ] || die "the anomaly is not closed"

begin "the decision is shipped"
shipped() {
	by dana archive ship >/dev/null
	"$work/readpart" "$work/archive" "$closed" "$approved" >"$work/decision" 2>/dev/null
}
until_true 30 shipped

begin "an auditor proves a copy, with the public key alone"
kill "$worker"
wait "$worker" || die "the worker did not end well"
worker=
cp -R "$work/archive" "$work/copy"
(cd "$work" && env -i PATH=/nonexistent "$work/ward" archive verify --offline --no-state --store "$work/copy" --key "$work/log.pub" --report "$work/report.json") >"$work/verdict" 2>/dev/null
grep '^valid: ' "$work/verdict"
"$work/readpart" "$work/copy" "$closed" "$approved" >"$work/decision"
grep -q "^$closed [0-9a-f-]* close " "$work/decision" || die "the closing is not in the archive"
grep -q "^$approved [0-9a-f-]* approve " "$work/decision" || die "the approval is not in the archive"
sed 's/^/      /' "$work/decision"

cd "$here"
echo "adoption: ok (${SECONDS} s)"
