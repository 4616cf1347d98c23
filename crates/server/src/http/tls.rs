//! TLS without a proxy: certificate and key from files, which are read again when they change.

use crate::config::Tls as Files;
use crate::error::Error;
use crate::figures;
use crate::stopping::Stopping;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// HTTP/2's name in ALPN (<https://www.rfc-editor.org/rfc/rfc9113#section-3.1>).
pub(super) const HTTP2: &[u8] = b"h2";
/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Number of checks with unusable new files before it is reported: one of the two files may come a moment later.
const LOOKS: u32 = 2;

/// The newest certificate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls(watch::Receiver<TlsAcceptor>);

impl Tls {
    /// Reads the files and watches them. `None` without files: connections are not encrypted.
    pub(crate) fn start(files: &Files, stopping: Stopping) -> Result<Option<Self>, Error> {
        let Some(pair) = Pair::of(files) else { return Ok(None) };
        let seen = pair.written();
        let (newest, receiver) = watch::channel(pair.read()?);
        tokio::spawn(renew(pair, seen, newest, stopping));
        Ok(Some(Self(receiver)))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.0.borrow().clone()
    }
}

/// Checks that the server can speak TLS with these files. Without files there is nothing to check.
pub fn check(files: &Files) -> Result<(), Error> {
    Pair::of(files).map_or(Ok(()), |pair| pair.read().map(|_| ()))
}

/// Uses new files as they come. Existing connections are not affected.
async fn renew(pair: Pair, mut seen: Written, newest: watch::Sender<TlsAcceptor>, stopping: Stopping) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let (mut tried, mut times) = (seen, 0);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stopping.said() => return,
        }
        let now = pair.written();
        if now == seen {
            continue;
        }
        times = if now == tried { times + 1 } else { 1 };
        tried = now;
        match pair.read() {
            Ok(acceptor) => {
                seen = now;
                newest.send_replace(acceptor);
                metrics::counter!(figures::CERTIFICATES, "result" => "used").increment(1);
                tracing::info!("the new certificate is in use");
            }
            Err(error) if times == LOOKS => {
                metrics::counter!(figures::CERTIFICATES, "result" => "refused").increment(1);
                tracing::error!(%error, "the new certificate was rejected; the previous one stays in use");
            }
            Err(_) => {}
        }
    }
}

/// When each of the files was written.
type Written = [Option<SystemTime>; 2];

/// A certificate and its key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn of(files: &Files) -> Option<Self> {
        let (certificate, key) = (files.certificate.clone()?, files.key.clone()?);
        Some(Self { certificate, key })
    }

    fn written(&self) -> Written {
        let written = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        [written(&self.certificate), written(&self.key)]
    }

    fn read(&self) -> Result<TlsAcceptor, Error> {
        let config = self.config().map_err(|why| Error::Tls {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            why,
        })?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn config(&self) -> Result<ServerConfig, String> {
        let chain =
            CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in the first one".into());
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| format!("the key: {error}"))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".into(),
                error => error.to_string(),
            })?;
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
