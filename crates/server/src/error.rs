//! What can go wrong in the server itself. What Twilio answers is [`rejoin_twilio::Error`].

use thiserror::Error;

/// Why the server, or one step of it, does not go on.
#[derive(Debug, Error)]
pub enum Error {
    /// The database does not do what it should.
    #[error("the database failed ({0}): check DATABASE_URL, the disk and its free space")]
    Database(#[from] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error("the database could not be brought up to date ({0}): was it used by a newer version?")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The lock beside the database.
    #[error("the lock file beside the database cannot be used ({0}): check the folder and its permissions")]
    Lock(#[source] std::io::Error),
    /// Another server has it.
    #[error("the database is in use by another rejoin: stop that one, or set another DATABASE_URL")]
    InUse,
    /// A value could not be turned into JSON or back.
    #[error("a value could not be written or read as JSON ({0}): this is a defect of rejoin")]
    Json(#[from] serde_json::Error),
    /// A setting that cannot be used.
    #[error("{name} cannot be used: {why}")]
    Setting {
        /// Name of the environment variable.
        name: &'static str,
        /// What is wrong, and what is wanted.
        why: &'static str,
    },
    /// The listening socket.
    #[error("cannot listen on {address} ({source}): is another program there already?")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate, or its key.
    #[error("{} and {} cannot be used ({why}): check REJOIN_TLS_CERTIFICATE and REJOIN_TLS_KEY", certificate.display(), key.display())]
    Tls {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// The key's file.
        key: std::path::PathBuf,
        /// Why not.
        why: String,
    },
    /// The HTTP client for Twilio.
    #[error("the client for Twilio cannot be made: {0}")]
    Twilio(#[from] rejoin_twilio::Error),
    /// Nothing was changed: the transaction did not come through. It may be tried again.
    #[error("the change could not be made durable and was not made: try again")]
    NotCommitted,
    /// The job is another server's by now. Nothing was changed.
    #[error("another server has the job: nothing is to be done")]
    Lost,
    /// It takes too long. It may still happen.
    #[error("the server did not get to it in time: check the database's disk, try again in a moment")]
    Busy,
    /// The server is on its way down.
    #[error("the server is stopping: try again in a moment")]
    Stopping,
}
