//! Whether a server accepts connections.

use std::time::Duration;

use tokio::net::TcpStream;

/// Whether a server accepts TCP connections within a time.
pub async fn accepts_connections(host: &str, port: u16, limit: Duration) -> bool {
    matches!(tokio::time::timeout(limit, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_listening_port_accepts_connections() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = server.local_addr().expect("bound").port();
        assert!(accepts_connections("127.0.0.1", port, Duration::from_secs(5)).await);
        drop(server);
        assert!(!accepts_connections("127.0.0.1", port, Duration::from_secs(5)).await);
    }
}
