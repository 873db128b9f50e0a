//! Where a broker listens, as people write it and as metadata tells it.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::client::{Error, Result};
use crate::rt;

/// Kafka's usual port.
const PORT: u16 = 9092;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
}

/// Text that is not `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEndpoint;

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a broker is written HOST:PORT, such as 127.0.0.1:9092 or [::1]:9092")
    }
}

impl std::error::Error for InvalidEndpoint {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    /// The port may be left out.
    fn from_str(text: &str) -> std::result::Result<Endpoint, InvalidEndpoint> {
        let text = text.trim();
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Ok(Endpoint { host: text.to_owned(), port: PORT });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or(InvalidEndpoint)?;
                let port = match behind {
                    "" => None,
                    behind => Some(behind.strip_prefix(':').ok_or(InvalidEndpoint)?),
                };
                (host, port)
            }
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => PORT,
            Some(port) => port.parse().map_err(|_| InvalidEndpoint)?,
        };
        let strange = |c: char| c.is_whitespace() || matches!(c, '/' | '@' | ',' | '[' | ']');
        if host.is_empty() || port == 0 || host.contains(strange) {
            return Err(InvalidEndpoint);
        }
        Ok(Endpoint { host: host.to_owned(), port })
    }
}

impl Endpoint {
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable { peer: self.to_string(), reason: reason.into() }
    }

    /// Every address that the name stands for; asks the system's resolver beside the core.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let name = (self.host.clone(), self.port);
        let found = rt::blocking(move || name.to_socket_addrs().map(Vec::from_iter)).await;
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            _ => Err(self.unreachable("the name has no address")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_people_write_them() {
        let check = |text: &str, expect: Option<&str>| {
            let got = text.parse::<Endpoint>().ok().map(|endpoint| endpoint.to_string());
            assert_eq!(got.as_deref(), expect, "{text}");
        };
        check("localhost:9093", Some("localhost:9093"));
        check(" broker-1 ", Some("broker-1:9092"));
        check("[::1]:19092", Some("[::1]:19092"));
        check("::1", Some("[::1]:9092"));
        check("[fe80::1]", Some("[fe80::1]:9092"));
        for bad in
            ["", ":9092", "a:b", "a:70000", "a:0", "kafka://a:9092", "[::1", "[::1]x", "a b:1"]
        {
            check(bad, None);
        }
    }
}
