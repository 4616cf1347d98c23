//! An account without any set-up, and `rejoin` as its administrator runs it.

use rejoin_protocol::AccountSid;
use rejoin_twin::console::Application;
use rejoin_twin::model::Addresses;
use rejoin_twin::{Twin, TwinConfig, app};
use std::path::Path;
use std::process::{Command, Output};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An account without any set-up, and the administrator's folder.
pub(crate) struct Account {
    twin: Twin,
    base: String,
    folder: tempfile::TempDir,
}

impl Account {
    pub(crate) async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let config = TwinConfig { bare: true, first_number: 0x1000, ..TwinConfig::at(listen, TOKEN) };
        let twin = Twin::start(config).await.unwrap();
        let service = app(&twin);
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { twin, base: format!("http://{listen}/__tw"), folder: tempfile::tempdir().unwrap() }
    }

    /// The number's calls have a TwiML application from now on.
    pub(crate) fn has_an_application(&self) {
        application(&self.twin);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder().join(file), text).unwrap();
    }

    /// A run of the program in the administrator's folder.
    pub(crate) fn rejoin(&self, arguments: &[&str]) -> Output {
        self.signed_in(&[("TWILIO_AUTH_TOKEN", TOKEN)], arguments)
    }

    /// The same, with these credentials.
    pub(crate) fn signed_in(&self, credentials: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.command(credentials, arguments).output().unwrap()
    }

    /// The same, not started yet.
    pub(crate) fn command(&self, credentials: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("TWILIO_ACCOUNT_SID", AccountSid::numbered(1).as_str())
            .env("TWILIO_API_BASE", &self.base)
            .env("REJOIN_PUBLIC_URL", "https://rejoin.example.com")
            .envs(credentials.iter().copied());
        command
    }
}

/// The first number's calls have a TwiML application from now on, with documents from elsewhere than Studio.
pub(crate) fn application(twin: &Twin) {
    let sid = "AP00000000000000000000000000000001".to_owned();
    let addresses = Addresses { url: "https://example.com/voice".into(), ..Addresses::default() };
    let application = Application { sid: sid.clone(), name: "Calls".into(), addresses };
    twin.console(|console| {
        console.applications.push(application);
        console.number_applications.insert("PN00000000000000000000000000000001".into(), sid);
    });
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A page of docs/. Read while the test runs: who writes a page does not want to compile.
pub(crate) fn guide(page: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)).unwrap()
}
