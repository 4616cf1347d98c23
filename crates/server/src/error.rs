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
    /// A call that it is about cannot be read, or is quarantined. Nothing was changed.
    #[error("the call is held back, and nothing is done about it: `rejoin held-back` says why")]
    HeldBack,
    /// Handling an event ended in a panic. Nothing was changed.
    #[error("an event could not be handled: this is a defect of rejoin, and the call stays as it is")]
    Defect,
    /// The connection was lost at the commit. Nobody knows whether the change was made; asking again finds out.
    #[error(
        "the connection to the database was lost at a commit ({0}): whether the change was made is not known, and it does no \
         harm to ask for it again"
    )]
    Unsettled(#[source] sqlx::Error),
    /// The deadline has passed, and the connection was thrown away. It may still happen.
    #[error(
        "the database did not answer within {} ms: whether the change was made is not known, and it does no harm to ask for it \
         again; is the database's host there, and the standby that its commits wait for?", .0.as_millis()
    )]
    Unanswered(std::time::Duration),
    /// A commit before was not answered, and the database does not take another one. Nothing was begun.
    #[error(
        "a commit before was not answered, and the database takes no other one: nothing was changed; is the standby gone that \
         its commits wait for?"
    )]
    InDoubt,
    /// No server takes writes.
    #[error(
        "the database is read-only: nothing was changed, and calls are not guarded; DATABASE_URL has to lead to the primary, or \
         name it among others"
    )]
    ReadOnly,
    /// No server is there.
    #[error(
        "the database cannot be reached ({0}): nothing was changed, and calls are not guarded; check DATABASE_URL, the database's \
         host and the network"
    )]
    Away(String),
    /// The job is another server's by now. Nothing was changed.
    #[error("another server has the job: nothing is to be done")]
    Lost,
    /// A worker has as many push channels as one may have.
    #[error("the worker has too many push channels: close some of the browser's tabs")]
    TooManyPages,
    /// It takes too long. It may still happen.
    #[error("the server did not get to it in time: check the database's disk, try again in a moment")]
    Busy,
    /// The server is on its way down.
    #[error("the server is stopping: try again in a moment")]
    Stopping,
}

impl Error {
    /// Does the database refuse what was to be written, so that less of it, or something else, may be taken? Not: it takes
    /// nothing now, because it is away, full or busy.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Json(_) | Self::HeldBack => true,
            Self::Database(sqlx::Error::Encode(_) | sqlx::Error::Protocol(_)) => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                match code.parse::<u32>() {
                    // SQLite's primary codes: an error in the statement's data, too big, a constraint, another type
                    // (https://www.sqlite.org/rescode.html). PostgreSQL's have five characters.
                    Ok(number) if code.len() < 5 => matches!(number & 0xff, 1 | 18 | 19 | 20),
                    // Data, constraints, cardinality, a trigger's own, too much for PostgreSQL
                    // (https://www.postgresql.org/docs/current/errcodes-appendix.html).
                    _ => ["21", "22", "23", "44", "54", "P0"].iter().any(|class| code.starts_with(class)),
                }
            }),
            _ => false,
        }
    }

    /// May what was asked for have happened all the same?
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unsettled(_) | Self::Unanswered(_) | Self::Busy)
    }
}
