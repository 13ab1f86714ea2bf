#!/usr/bin/env bash
# Adoption, from an empty database to an anomaly decided and proven, on a PostgreSQL server that ward did not start. The path of docs/ADOPTING.md: what that page
# claims, this script does. Starts a server of its own in a temporary directory, on a Unix socket, and leaves nothing behind.
#
#   testdata/adopt.sh          WARD_PG_BIN=DIR where initdb and psql are, if they are not found
set -euo pipefail
cd "$(dirname "$0")/.."

readonly here=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/ward-adopt-XXXXXX")
step="set up"
worker=

die() { echo "adoption: $*" >&2; exit 1; }

# finish: whatever happened, nothing of it stays.
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [ "$status" != 0 ]; then
		echo "adoption: FAILED at: $step" >&2
		[ ! -s "$work/worker.log" ] || tail -n 5 "$work/worker.log" >&2
		[ ! -s "$work/pg/log" ] || tail -n 5 "$work/pg/log" >&2
	fi
	if [ -n "$worker" ]; then
		kill "$worker" 2>/dev/null || true
		wait "$worker" 2>/dev/null || true
	fi
	[ ! -f "$work/pg/data/postmaster.pid" ] || as_server "$bin/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
	chmod -R u+w "$work" 2>/dev/null || true
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

begin() {
	step=$*
	printf '%3ds  %s\n' "$SECONDS" "$step"
}

# find_postgres: where a package manager puts the programs.
find_postgres() {
	local dir
	for dir in "${WARD_PG_BIN:-}" "$(dirname "$(command -v initdb || echo /)")" "$(pg_config --bindir 2>/dev/null || true)" \
		$(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV) /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/psql" ]; then
			echo "$dir"
			return
		fi
	done
	die "no PostgreSQL found: install it (Debian: apt install postgresql), or set WARD_PG_BIN"
}

# as_server COMMAND...: as the user that the server runs as. PostgreSQL refuses to run as root.
as_server() {
	if [ "$(id -u)" != 0 ]; then
		(cd / && "$@")
	else
		(cd / && setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --clear-groups "$@")
	fi
}

# until_true SECONDS COMMAND...: asks again until it succeeds.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || die "waited in vain for: $*"
		sleep 0.3
	done
}

# by USER ARGUMENT...: ward as somebody who is signed in.
by() {
	local user=$1
	shift
	WARD_TOKEN_FILE=$work/$user.tokens "$work/ward" "$@"
}

sign_in() { by "$1" login "$1" <<<"$password" 2>/dev/null; }

# field NAME: a field of the first JSON line on standard input.
field() { sed -nE "1s/.*\"$1\":(\"([^\"]*)\"|([0-9]+)).*/\\2\\3/p"; }

bin=$(find_postgres)
server_user=$(id -un postgres 2>/dev/null || echo nobody)
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')

begin "build ward"
go build -buildvcs=false -o "$work/ward" ./cmd/ward
go build -buildvcs=false -o "$work/readpart" ./testdata/readpart
SECONDS=0

begin "start a server that knows nothing of ward"
mkdir "$work/pg"
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	chown "$server_user" "$work/pg"
fi
as_server "$bin/initdb" -D "$work/pg/data" -U postgres --auth=trust -E UTF8 --no-sync >/dev/null
as_server "$bin/pg_ctl" -D "$work/pg/data" -l "$work/pg/log" -w -o "-c listen_addresses='' -c unix_socket_directories='$work/pg'" start >/dev/null
export PGHOST=$work/pg PGUSER=postgres PGDATABASE=clinic
export PGOPTIONS="-c client_min_messages=warning"
unset PGPORT PGSERVICE PGPASSWORD
"$bin/createdb" -T template0 clinic

begin "ward migrate, ward init"
url() { echo "postgres://$1@/clinic?host=$work/pg"; }
"$work/ward" migrate --database "$(url postgres)" 2>/dev/null
"$work/ward" init --database "$(url ward_migrate)" --region us-west root "Root Admin" <<<"$password" >/dev/null 2>&1

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
