# Sourced by the scripts beside it, which are run from the repository's root: a PostgreSQL server that knows nothing of ward until it is migrated and initialised, in a temporary directory, on a Unix
# socket. Nothing stays of it. Needs the variable script, the name that messages begin with.

readonly here=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/ward-$script-XXXXXX")
step="set up"
worker=

die() { echo "$script: $*" >&2; exit 1; }

# finish: whatever happened, nothing of it stays.
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [ "$status" != 0 ]; then
		echo "$script: FAILED at: $step" >&2
		[ ! -s "$work/worker.log" ] || tail -n 5 "$work/worker.log" >&2
		[ ! -s "$work/pg/log" ] || tail -n 5 "$work/pg/log" >&2
	fi
	if [ -n "$worker" ]; then
		kill "$worker" 2>/dev/null || true
		wait "$worker" 2>/dev/null || true
	fi
	[ ! -s "$work/bouncer/pid" ] || kill "$(cat "$work/bouncer/pid")" 2>/dev/null || true
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

bin=$(find_postgres)
server_user=$(id -un postgres 2>/dev/null || echo nobody)
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')

begin "build ward"
go build -buildvcs=false -o "$work/ward" ./cmd/ward
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
"$work/ward" migrate --yes --database "$(url postgres)" 2>/dev/null
"$work/ward" init --database "$(url ward_migrate)" --region us-west root "Root Admin" <<<"$password" >/dev/null 2>&1

