//! The certificate that the public address shows: whether it is trusted here, for this name, and for how long.
//!
//! A certificate's end is found without reading it: the verifier is asked about later days, too.

use rejoin_setup::doctor::certificate::Certificate;
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};
use tracing::subscriber::{NoSubscriber, with_default};

/// Timeout of connection and handshake together.
const WITHIN: Duration = Duration::from_secs(5);
const DAY: u64 = 24 * 60 * 60;
/// Certificates of servers are valid for a year or so; roots for decades.
const LONGEST: u64 = 40 * 366;

/// The host, and its certificate; `None` when the address has no TLS.
pub(crate) async fn read(public_url: &str) -> Option<(String, Certificate)> {
    let uri: http::Uri = public_url.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let shown = shown(&host, uri.port_u16().unwrap_or(443));
    let certificate = match tokio::time::timeout(WITHIN, shown).await {
        Ok(Ok(certificate)) => certificate,
        Ok(Err(why)) => Certificate::Unreachable(why),
        Err(_) => Certificate::Unreachable("timed out".to_owned()),
    };
    Some((host, certificate))
}

async fn shown(host: &str, port: u16) -> Result<Certificate, String> {
    let provider = Arc::new(default_provider());
    let trusted = Verifier::new(Arc::clone(&provider)).map_err(|error| error.to_string())?;
    let witness = Arc::new(Witness { trusted, seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // Nothing is sent over it, whatever the certificate.
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (seen, connected) {
        (Some(certificate), _) => Ok(certificate),
        (None, Ok(_)) => Err("no certificate was shown".to_owned()),
        (None, Err(error)) => Err(error.to_string()),
    }
}

/// Remembers what the certificate is worth, and lets every one pass, so that the handshake goes on.
#[derive(Debug)]
struct Witness {
    trusted: Verifier,
    seen: Mutex<Option<Certificate>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let on = |days: u64| {
            let then = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + days * DAY));
            self.trusted.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, then)
        };
        let certificate = match on(0) {
            Err(error) => Certificate::Refused(why(error)),
            // A day after its end is no error, and not one for the log.
            Ok(_) => Certificate::Valid {
                days: with_default(NoSubscriber::default(), || last_good(|days| on(days).is_ok())),
            },
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.trusted.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.trusted.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trusted.supported_verify_schemes()
    }
}

/// The last of the days on which it is good. It is on day 0, and never again after its end.
fn last_good(is_good: impl Fn(u64) -> bool) -> u64 {
    let (mut good, mut bad) = (0, LONGEST);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if is_good(middle) { good = middle } else { bad = middle }
    }
    good
}

fn why(error: TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the certificate has expired".to_owned()
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the certificate is for another name".to_owned(),
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate's authority is not trusted here, or the chain is not complete".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_day_is_found() {
        for last in [0, 1, 13, 14, 89, 397, LONGEST - 1] {
            assert_eq!(last_good(|days| days <= last), last);
        }
    }
}
