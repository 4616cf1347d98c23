//! Errors of the server itself. Twilio's are [`rejoin_twilio::Error`].

use sqlx::migrate::MigrateError;
use thiserror::Error;

/// Why the server, or one of its steps, failed.
#[derive(Debug, Error)]
pub enum Error {
    /// An error of the database.
    #[error("the database failed ({0}): check DATABASE_URL, the disk and its free space")]
    Database(#[from] sqlx::Error),
    /// The tables could not be migrated.
    #[error(
        "the database could not be migrated ({0}): the server does not start; if a newer release has used the database, start that one, or restore the backup from before"
    )]
    Migration(#[from] MigrateError),
    /// The lock file beside the database.
    #[error("the lock file beside the database cannot be used ({0}): check the folder and its permissions")]
    Lock(#[source] std::io::Error),
    /// Another server has the database.
    #[error("the database is in use by another rejoin: stop that one, or set another DATABASE_URL")]
    InUse,
    /// Servers run on a database that is to be prepared for their start.
    #[error(
        "{0} other rejoin servers run on this database: no call was changed; stop all servers, and run this again"
    )]
    Served(u64),
    /// Servers were started on a database while it was prepared for their start.
    #[error(
        "{0} other rejoin servers were started on this database meanwhile: they may have acted on what the backup says; stop all \
         servers, run this again, and start them then"
    )]
    ServedMeanwhile(u64),
    /// The database has another account's calls.
    #[error(
        "the database has the calls of account {database}, and TWILIO_ACCOUNT_SID is {setting}: nothing was done, as these calls \
         would count as over; set the account of the database, or another DATABASE_URL"
    )]
    OtherAccount {
        /// The account of the database.
        database: String,
        /// The account of the settings.
        setting: rejoin_protocol::AccountSid,
    },
    /// A backup could not be written.
    #[error("the backup cannot be written ({0}): name a new file, in a folder that this user may write to")]
    Backup(#[source] std::io::Error),
    /// A value could not be turned into JSON or back.
    #[error("a value could not be written or read as JSON ({0}): this is a defect of rejoin")]
    Json(#[from] serde_json::Error),
    /// A setting that cannot be used.
    #[error("{name} cannot be used: {why}")]
    Setting {
        /// Name of the environment variable.
        name: &'static str,
        /// What is wrong, and what is expected.
        why: &'static str,
    },
    /// The listening socket could not be opened.
    #[error("cannot listen on {address} ({source}): is another program there already?")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The certificate or its key is unusable.
    #[error("{} and {} cannot be used ({why}): check REJOIN_TLS_CERTIFICATE and REJOIN_TLS_KEY", certificate.display(), key.display())]
    Tls {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// The key's file.
        key: std::path::PathBuf,
        /// The cause.
        why: String,
    },
    /// The HTTP client for Twilio.
    #[error("the client for Twilio cannot be made: {0}")]
    Twilio(#[from] rejoin_twilio::Error),
    /// Nothing was changed: the transaction was not committed. It can be retried.
    #[error("the change could not be made durable and was not made: try again")]
    NotCommitted,
    /// A call that the batch concerns cannot be read, or is quarantined. Nothing was changed.
    #[error("the call is held back, and nothing is done about it: `rejoin held-back` says why")]
    HeldBack,
    /// Handling an event ended in a panic. Nothing was changed.
    #[error("an event could not be handled: this is a defect of rejoin, and the call stays as it is")]
    Defect,
    /// The connection was lost at the commit. Whether the change was made is unknown; repeating the request finds
    /// out.
    #[error(
        "the connection to the database was lost at a commit ({0}): whether the change was made is not known, and it does no \
         harm to ask for it again"
    )]
    Unsettled(#[source] sqlx::Error),
    /// The deadline has passed, and the connection was dropped. The change may still be made.
    #[error(
        "the database did not answer within {} ms: whether the change was made is not known, and it does no harm to ask for it \
         again; is the database's host there, and the standby that its commits wait for?", .0.as_millis()
    )]
    Unanswered(std::time::Duration),
    /// An earlier commit was not answered, and the database takes no other one. Nothing was begun.
    #[error(
        "a commit before was not answered, and the database takes no other one: nothing was changed; is the standby gone that \
         its commits wait for?"
    )]
    InDoubt,
    /// No database server accepts writes.
    #[error(
        "the database is read-only: nothing was changed, and calls are not protected; DATABASE_URL has to lead to the primary, or \
         name it among others"
    )]
    ReadOnly,
    /// A pooler gives connections to the database away between two transactions.
    #[error(
        "DATABASE_URL leads to a pooler that shares one connection to PostgreSQL among several of ours: this server was not started, \
         as its messages to other servers would be lost; connect to PostgreSQL directly, or set pool_mode = session in the pooler"
    )]
    Pooler,
    /// No database server is reachable.
    #[error(
        "the database cannot be reached ({0}): nothing was changed, and calls are not protected; check DATABASE_URL, the database's \
         host and the network"
    )]
    Away(String),
    /// The database refuses this server.
    #[error(
        "the database refuses this server ({0}): nothing was changed, and calls are not protected; check the user, the password and \
         the name in DATABASE_URL, and that the database exists"
    )]
    Refused(String),
    /// Another server has the job now. Nothing was changed.
    #[error("another server has the job: nothing is to be done")]
    Lost,
    /// The worker has the maximum number of push channels.
    #[error("the worker has too many push channels: close some of the browser's tabs")]
    TooManyPages,
    /// It takes too long. It may still happen.
    #[error(
        "the request has waited too long for the database, and is not confirmed: repeat it, and check the database's disk"
    )]
    Busy,
    /// The server is stopping.
    #[error("the server is stopping: try again in a moment")]
    Stopping,
}

/// The database's code of an error.
pub(crate) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

impl Error {
    /// True when the database refuses this particular data, so that less of it, or something else, may be accepted.
    /// False when it accepts nothing now, because it is away, full or busy.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Json(_) | Self::HeldBack => true,
            Self::Database(sqlx::Error::Encode(_) | sqlx::Error::Protocol(_)) => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                match code.parse::<u32>() {
                    // SQLite's primary codes: an error in the statement's data, too big, a constraint, another type
                    // (https://www.sqlite.org/rescode.html). PostgreSQL's codes have five characters.
                    Ok(number) if code.len() < 5 => matches!(number & 0xff, 1 | 18 | 19 | 20),
                    // Data, constraints, cardinality, errors raised by a trigger, limits of PostgreSQL
                    // (https://www.postgresql.org/docs/current/errcodes-appendix.html).
                    _ => ["21", "22", "23", "44", "54", "P0"].iter().any(|class| code.starts_with(class)),
                }
            }),
            _ => false,
        }
    }

    /// True when the database may be there again in a moment: it does not answer, starts, stops, or accepts no writes yet.
    pub(crate) fn may_pass(&self) -> bool {
        let error = match self {
            Self::Away(_) | Self::ReadOnly | Self::Unanswered(_) => return true,
            Self::Database(error)
            | Self::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                error
            }
            _ => return false,
        };
        match code(error) {
            // Lost connections, too little of something, a lock that another server has, an end by an administrator or a
            // deadline, a start, and a standby (https://www.postgresql.org/docs/current/errcodes-appendix.html). SQLite's
            // codes are shorter.
            Some(code) => {
                code.len() == 5
                    && ["08", "53", "55P03", "57", "25006"].iter().any(|class| code.starts_with(class))
            }
            None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut),
        }
    }

    /// True when the request may have been carried out nevertheless.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unsettled(_) | Self::Unanswered(_) | Self::Busy)
    }
}
