//! How a client behaves: its name, its patience, its bounds.

use std::time::Duration;

use crate::config::limits;

#[derive(Clone, Debug)]
pub struct Options {
    /// What brokers write in their logs about this client.
    pub client_id: String,
    /// For one address of a broker.
    pub connect_timeout: Duration,
    /// From the sending of a request to its whole answer; afterwards the connection is given up.
    pub request_timeout: Duration,
    /// How long failures are answered by trying again.
    pub retry_for: Duration,
    /// The first pause between two attempts; each further one is twice as long.
    pub retry_pause_min: Duration,
    pub retry_pause_max: Duration,
    /// Bytes of one answer.
    pub answer_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            client_id: "ringmain".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(60),
            retry_pause_min: Duration::from_millis(50),
            retry_pause_max: Duration::from_secs(1),
            answer_bytes_max: limits::FETCH_BYTES_MAX,
        }
    }
}
