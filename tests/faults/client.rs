//! A client that says exactly what it is told to: any API in any version, any bytes, one blocking
//! connection.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringmain::wire::frame;
use ringmain::wire::{Api, Message, Reader, Writer};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is believed.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The whole frame of a request.
pub fn request<A: Api>(version: i16, correlation_id: i32, body: &A::Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let client_id = Some("faults");
    let mut writer = Writer::new(&mut bytes);
    frame::write_request::<A>(&mut writer, version, correlation_id, client_id, body);
    bytes
}

pub struct Client {
    stream: TcpStream,
    next_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, next_id: 0 })
    }

    /// The same connection, for another thread.
    pub fn clone(&self) -> Client {
        let stream = self.stream.try_clone().expect("a descriptor");
        Client { stream, next_id: self.next_id }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Yields the correlation id.
    pub fn send<A: Api>(&mut self, version: i16, body: &A::Request<'_>) -> io::Result<i32> {
        self.next_id += 1;
        let bytes = request::<A>(version, self.next_id, body);
        self.send_bytes(&bytes)?;
        Ok(self.next_id)
    }

    /// The next frame, without its length.
    pub fn receive_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut prefix = [0; frame::LENGTH_SIZE];
        self.stream.read_exact(&mut prefix)?;
        let len = frame::length(prefix, ANSWER_BYTES_MAX).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub fn receive<A: Api>(&mut self, version: i16) -> io::Result<Answer<A>> {
        let bytes = self.receive_bytes()?;
        let mut reader = Reader::new(&bytes);
        let correlation_id =
            frame::read_response_header::<A>(&mut reader, version).map_err(io::Error::other)?;
        let body_at = reader.position();
        Ok(Answer { correlation_id, version, bytes, body_at, api: PhantomData })
    }

    pub fn call<A: Api>(&mut self, version: i16, body: &A::Request<'_>) -> io::Result<Answer<A>> {
        let sent = self.send::<A>(version, body)?;
        let answer = self.receive(version)?;
        assert_eq!(answer.correlation_id, sent, "the answer to another request");
        Ok(answer)
    }

    /// Whether the other side closes within `wait`; answers that still come are passed over.
    pub fn is_closed_within(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut bytes = [0; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream.set_read_timeout(Some(left)).expect("a timeout");
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return false,
                    io::ErrorKind::Interrupted => {}
                    _ => return true,
                },
            }
        }
    }

    pub fn close_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// A response frame and how to read it.
pub struct Answer<A> {
    pub correlation_id: i32,
    version: i16,
    bytes: Vec<u8>,
    body_at: usize,
    api: PhantomData<A>,
}

impl<A: Api> Answer<A> {
    /// Everything must be there, and nothing more.
    pub fn body(&self) -> A::Response<'_> {
        let mut reader = Reader::new(&self.bytes[self.body_at..]);
        let body = match A::Response::decode(&mut reader, self.version) {
            Ok(body) => body,
            Err(error) => panic!("{} v{}: {error}: {:x?}", A::NAME, self.version, self.bytes),
        };
        reader.expect_end().expect("nothing behind the answer");
        body
    }
}
