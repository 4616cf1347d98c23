//! What is open, over a restart of the monitor.

use super::*;

struct Program(tokio::process::Child);

impl Program {
    fn start(environment: &[(&str, String)], log: &Path) -> Self {
        let program = tokio::process::Command::new(env!("CARGO_BIN_EXE_rejoin"))
            .arg("monitor")
            .env_clear()
            .envs(environment.iter().cloned())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log).unwrap())
            .kill_on_drop(true)
            .spawn();
        Self(program.unwrap())
    }

    /// As `kill -9` does.
    async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_was_killed_resolves_what_it_had_triggered() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = (folder.path().join("state"), folder.path().join("log"));
    let (server, _) = Stub::start(Does::Answer(500)).await;
    let (other, _) = Stub::start(Does::Answer(500)).await;
    let (twilio, _) = Stub::start(Does::Answer(200)).await;
    let (webhook, mut alerts) = Stub::start(Does::Answer(200)).await;
    let environment = |servers: String| {
        vec![
            ("REJOIN_MONITOR_SERVERS", servers),
            ("TWILIO_API_BASE", twilio.url()),
            ("REJOIN_MONITOR_EVERY_MS", "100".to_owned()),
            ("REJOIN_MONITOR_STATE", state.to_str().unwrap().to_owned()),
            ("REJOIN_ALERT_WEBHOOK_URL", webhook.url()),
        ]
    };
    let both = environment(format!("{},{}", server.url(), other.url()));
    let program = Program::start(&both, &log);
    for _ in 0..2 {
        assert_eq!(next(&mut alerts).await["event"], "trigger");
    }
    let is_kept = async {
        let all = [server.url(), other.url()];
        while !std::fs::read_to_string(&state).is_ok_and(|text| all.iter().all(|url| text.contains(url))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, is_kept).await.expect("it is written");
    program.kill().await;

    // Meanwhile one works again, and the other is not asked any more.
    server.set(Does::Answer(200));
    let program = Program::start(&environment(server.url()), &log);
    let mut resolved = [next(&mut alerts).await, next(&mut alerts).await];
    resolved.sort_by_key(|alert| alert["summary"].to_string().contains("works again"));
    let said: Vec<_> =
        resolved.iter().map(|alert| (alert["event"].clone(), alert["summary"].clone())).collect();
    let wanted = |summary| (json!("resolve"), json!(summary));
    assert_eq!(
        said,
        [
            wanted(format!("server {}: it is not asked any more", other.url())),
            wanted(format!("server {}: works again", server.url())),
        ]
    );
    server.asked(3).await;
    program.kill().await;
    assert!(alerts.try_recv().is_err(), "nothing more");

    // A file that is not the monitor's is named and left alone, and the monitor works without one.
    std::fs::write(&state, "public_url = \"mine\"").unwrap();
    server.set(Does::Answer(500));
    let program = Program::start(&environment(server.url()), &log);
    assert_eq!(next(&mut alerts).await["event"], "trigger");
    program.kill().await;
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains(&format!("{} is not a monitor's file", state.display())), "{said}");
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "public_url = \"mine\"");
}
