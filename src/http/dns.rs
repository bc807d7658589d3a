//! Resolves names with patience. Some resolvers of companies need several seconds for a name that they do not know yet.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hickory_resolver::{TokioResolver, config::LookupIpStrategy, lookup_ip::LookupIp, net::NetError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The time for one name. It is shorter than that for a connection, so that the error names DNS.
const PATIENCE: Duration = Duration::from_secs(14);
/// A second query follows after this time, because a packet may be lost. An answer to either is used.
const SECOND_QUERY: Duration = Duration::from_secs(4);

/// The resolver of a client, configured by `/etc/resolv.conf` at its first use.
#[derive(Debug, Clone, Default)]
pub(super) struct PatientResolver(Arc<OnceLock<TokioResolver>>);

impl Resolve for PatientResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.look_up(name.as_str()).await?;
            let addresses: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl PatientResolver {
    async fn look_up(&self, name: &str) -> Result<LookupIp, Box<dyn std::error::Error + Send + Sync>> {
        let resolver = if let Some(resolver) = self.0.get() {
            resolver
        } else {
            let built = build()?;
            self.0.get_or_init(|| built)
        };
        let second = async {
            tokio::time::sleep(SECOND_QUERY).await;
            resolver.lookup_ip(name).await
        };
        let answered = async {
            tokio::select! {
                first = resolver.lookup_ip(name) => first,
                second = second => second,
            }
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(PATIENCE)).into()),
        }
    }
}

fn build() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    options.timeout = options.timeout.max(PATIENCE);
    builder.build()
}
