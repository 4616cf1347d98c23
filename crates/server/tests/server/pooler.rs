//! A pooler between the server and PostgreSQL: a real PgBouncer, in each of its modes.

use crate::crash::Process;
use crate::database::{Postgres, id_of_process, owner};
use crate::half_open::server_on;
use crate::network::Network;
use crate::support::*;
use crate::trouble::{goes_on, until_written};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// PgBouncer in front of a PostgreSQL of its own, reached by a socket.
struct Pooler {
    child: Child,
    folder: TempDir,
    postgres: Postgres,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Runs it until it ends by itself, or until the input ends, so that it ends with this process, however that ends. PgBouncer
/// refuses to run as root.
const START: &str = r#"
as=
[ "$(id -u)" = 0 ] && as="setpriv --reuid=$OWNER --regid=$OWNER --clear-groups"
PATH="$PATH:/usr/sbin"
exec 3<&0
$as pgbouncer pgbouncer.ini 3<&- &
pooler=$!
{ cat <&3; kill $pooler; } >/dev/null 2>&1 &
wait $pooler
"#;

impl Pooler {
    /// In this mode, with the database `pooled`.
    async fn start(mode: &str) -> Self {
        let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
        postgres.create("pooled").await;
        let folder = tempfile::Builder::new().prefix("pooler").tempdir().unwrap();
        if id_of_process() == 0 {
            chown(folder.path(), Some(owner()), Some(owner())).unwrap();
        }
        let (server, own) = (postgres.socket(), folder.path().display());
        let server = server.parent().unwrap().display();
        // The driver sends `extra_float_digits`, which PgBouncer knows only if it is told to ignore it.
        let settings = format!(
            "[databases]\npooled = host={server} user=rejoin\n[pgbouncer]\npool_mode = {mode}\nauth_type = any\nlisten_port = 6432\n\
             unix_socket_dir = {own}\nignore_startup_parameters = extra_float_digits\n"
        );
        std::fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
        let mut program = Command::new("sh");
        program.args(["-c", START]).env("OWNER", owner().to_string()).current_dir(folder.path());
        let mut child = program.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        while !all.contains("process up") {
            assert!(log.read_line(&mut all).unwrap() > 0, "PgBouncer did not start:\n{all}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, folder, postgres }
    }

    fn url(&self) -> String {
        format!(
            "postgres://rejoin@localhost:6432/pooled?host={}&sslmode=disable",
            self.folder.path().display()
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_shares_connections_is_refused_before_anything_is_written() {
    let twilio = Twilio::start().await;
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::start(mode).await;
        let ended = Process::program(&twilio, &pooler.url()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{mode}: {said}");
        assert!(said.contains("pool_mode = session"), "{mode}: {said}");
        let tables = "select count(*) from pg_tables where schemaname = 'public'";
        assert_eq!(pooler.postgres.read("pooled", tables).await, "0", "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recovered_by_the_next_server_over_a_pooler_that_keeps_connections() {
    let twilio = Twilio::start().await;
    let pooler = Pooler::start("session").await;
    let first = Process::on(&twilio, &pooler.url());
    first.desk.lost().await;
    twilio.wait_for("POST Tasks", 1).await;
    first.kill();
    let second = Process::on(&twilio, &pooler.url());
    second.desk.hello(2).await;
    twilio.wait_for(&format!("POST Calls/{}.json", customer()), 1).await;
}

/// PgBouncer 1.18 hands a connection over with an answer to the client before, when that was killed between two queries.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_earlier_client_does_not_end_the_server() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    postgres.create("calls").await;
    let network = Network::to(postgres.socket()).await;
    let world = server_on(&network.url("calls")).await;
    world.desk.talking().await;
    network.leave_answers().await;
    network.cut();
    until_written(&world.desk).await;
    goes_on(&world.desk, &world.twilio).await;
}
