//! Encryption of a TCP connection.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
};

/// Whether the server's certificate is to be trusted as it is, or proven.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trust<'a> {
    /// Any certificate will do: nobody listens in, but anybody may pretend to be the server.
    Anyone,
    /// The certificate and the host's name are checked, against the authorities in a PEM file or those that
    /// this machine trusts.
    Authorities(Option<&'a Path>),
}

/// Encrypts a connection to a host; what it can't is told as a person would say it.
pub(super) fn encrypt(
    mut tcp: TcpStream,
    host: &str,
    trust: Trust<'_>,
) -> Result<Box<StreamOwned<ClientConnection, TcpStream>>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match trust {
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Trust::Authorities(file) => builder.with_root_certificates(authorities(file)?).with_no_client_auth(),
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| format!("{host} is neither a host name nor an IP address"))?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    // A read that waits for the server comes back now and then; the handshake has no use for that.
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(30))).map_err(|error| error.to_string())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).map_err(|error| {
            format!(
                "{error}; if the server's certificate is its own, name its authority or don't have it checked"
            )
        })?;
    }
    tcp.set_read_timeout(Some(super::transport::TICK)).map_err(|error| error.to_string())?;
    Ok(Box::new(StreamOwned::new(tls, tcp)))
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if store.is_empty() {
            Err("this machine trusts no certificate authority; name a PEM file of them".to_owned())
        } else {
            Ok(store)
        };
    };
    let place = file.display();
    let pem = fs::read(file).map_err(|error| format!("{place} can't be read: {error}"))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("{place} is no PEM file: {error}"))?;
        store
            .add(certificate)
            .map_err(|error| format!("{place} holds a certificate that is none: {error}"))?;
    }
    if store.is_empty() { Err(format!("{place} holds no certificate")) } else { Ok(store) }
}

/// Takes any certificate, if only its owner holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
