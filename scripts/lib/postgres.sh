# Runs PostgreSQL in $FOLDER, with the programs in $BIN, until the input ends; then stops it and removes the folder. PostgreSQL
# refuses to run as root: then it runs as $OWNER.
trap : INT TERM
as=
[ "$(id -u)" = 0 ] && as="setpriv --reuid=$OWNER --regid=$OWNER --clear-groups --"
cd "$FOLDER" || exit 1
[ -d data ] || $as "$BIN/initdb" --pgdata=data --username=rejoin --auth=trust --no-sync --encoding=UTF8 --locale=C >initdb.log || exit 1
$as "$BIN/postgres" -D data -k "$FOLDER" -c listen_addresses= -c fsync=${FSYNC:-off} -c max_connections=1000 &
cat >/dev/null
kill -QUIT $!
wait $!
[ -e keep ] || rm -rf "$FOLDER"
