# Ends the servers of one run of `go test` when nobody needs them any more.
#
#   sh reaper.sh BASE PARENT AFTER_RUN DURING_RUN
#
# A shell script and not the test binary again: any package's test may be the
# first to need a server, and a hook in each TestMain would be one to forget.
# File descriptor 3 is BASE/reaper, locked; the lock lasts as long as this
# process (and its sleep).
set -u
base=$1 parent=$2 after_run=$3 during_run=$4
echo $$ >&3
trap '' HUP INT QUIT

# somebody DIR: does one of the processes that DIR names live?
somebody() {
	for holder in "$1"/*; do
		pid=${holder##*/}
		[ "$pid" = '*' ] && return 1
		kill -0 "$pid" 2>/dev/null && return 0
		rm -f "$holder"
	done
	return 1
}

# command_line PID, by ps where there is no /proc (macOS).
command_line() {
	if [ -r "/proc/$1/cmdline" ]; then
		tr '\000' ' ' <"/proc/$1/cmdline"
	else
		ps -ww -o args= -p "$1"
	fi
}

# Aborts every server below BASE and waits for its process to end.
stop_servers() {
	find "$base" -path '*/postgres/data/postmaster.pid' | while read -r file; do
		read -r pid <"$file"
		command_line "$pid" | grep -qF "$base" || continue
		kill -QUIT "$pid"
		tries=0
		while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
	done
}

idle=0
while :; do
	sleep 1
	[ -d "$base/holders" ] || exit 0
	if somebody "$base/holders"; then
		idle=0
		continue
	fi
	idle=$((idle + 1))
	limit=$after_run
	kill -0 "$parent" 2>/dev/null && limit=$during_run
	[ $idle -lt "$limit" ] && continue
	# From here on nobody can register. Who did between the look and the
	# rename is found in the renamed directory.
	rm -rf "$base/closed"
	mv "$base/holders" "$base/closed" || exit 1
	if somebody "$base/closed"; then
		mv "$base/closed" "$base/holders"
		idle=0
		continue
	fi
	stop_servers
	rm -rf "$base"
	exit 0
done
