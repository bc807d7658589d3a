//! All endpoints at one address, with or without TLS. Small packets are sent at once, because a delay would dominate
//! the latency that clients measure.

use std::{error::Error, io, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    extract::Request,
    middleware::from_fn_with_state,
    serve::{Listener, ListenerExt as _},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};

use crate::{
    answer::Refusal, dbfs, entra, export, faults, files, log, metadata, oidc, scim, scopes, secrets, server::Server,
    vault,
};

fn router(server: Arc<Server>, scheme: &'static str) -> Router {
    Router::new()
        .merge(secrets::routes())
        .merge(scopes::routes())
        .merge(scim::routes())
        .merge(oidc::routes())
        .merge(entra::routes())
        .merge(metadata::routes())
        .merge(dbfs::routes())
        .merge(files::routes())
        .merge(export::routes())
        .merge(faults::routes())
        .merge(log::routes())
        .merge(vault::routes())
        .fallback(no_such_interface)
        .layer(from_fn_with_state(Arc::clone(&server), faults::between))
        .layer(axum::Extension(Scheme(scheme)))
        .with_state(server)
}

/// `http` or `https`.
#[derive(Clone, Copy)]
pub(crate) struct Scheme(pub(crate) &'static str);

async fn no_such_interface(request: Request) -> Refusal {
    let what = format!("No API found for '{} {}'", request.method(), request.uri().path());
    Refusal::new(404, "ENDPOINT_NOT_FOUND", what)
}

/// Serves plain http. Does not return.
pub(crate) async fn plain(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router(server, "http")).await
}

/// Serves https. Does not return.
pub(crate) async fn tls(
    listener: TcpListener,
    server: Arc<Server>,
    certificate: &Path,
    key: &Path,
) -> Result<(), Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = Tls { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    Ok(axum::serve(listener, router(server, "https")).await?)
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            // A client that does not trust the certificate disconnects. Continue with the next one.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
