//! One connection to one broker. Requests are queued at once, in the order of the calls, and leave
//! together; answers come back in the same order. Whoever asked waits, nobody else does.
//!
//! A connection that failed stays failed: everyone who waits on it gets the same error, and later
//! calls get it too.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use crate::base::buf::{Buf, Slice};
use crate::base::oneshot::{Receiver, Sender, oneshot};
use crate::base::signal::{Broadcast, Signal};
use crate::client::{Answer, Endpoint, Error, Options, Result, Versions};
use crate::model::ErrorCode;
use crate::rt::{self, Piece, Stream, Task};
use crate::wire::frame::{self, LENGTH_SIZE};
use crate::wire::message::{Api, Message};
use crate::wire::messages::api_versions::{ApiVersions, ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::primitives::{Reader, Writer};

/// Room that a receive finds at least.
const RECEIVE_BYTES: usize = 64 << 10;
/// Frames from this size on are received into a buffer of their own and never copied.
const OWN_BUFFER_BYTES: usize = 16 << 10;

pub struct Connection {
    wire: Rc<Wire>,
    versions: Versions,
    _tasks: [Task<()>; 2],
}

/// What the two tasks of a connection share with its callers.
struct Wire {
    peer: Endpoint,
    stream: Stream,
    options: Options,
    outgoing: RefCell<VecDeque<Piece>>,
    outgoing_bytes: Cell<usize>,
    work: Signal,
    sent: Broadcast,
    waiting: RefCell<VecDeque<Waiting>>,
    correlation_id: Cell<i32>,
    failure: RefCell<Option<Error>>,
}

struct Waiting {
    correlation_id: i32,
    answer: Sender<Result<Buf>>,
}

/// An answer that is due.
#[must_use = "an answer nobody waits for is thrown away"]
pub struct Pending<A: Api> {
    wire: Rc<Wire>,
    version: i16,
    answer: Receiver<Result<Buf>>,
    timeout: Duration,
    api: PhantomData<A>,
}

impl Connection {
    /// Connects and learns what the broker serves.
    pub async fn open(peer: &Endpoint, options: &Options) -> Result<Connection> {
        let stream = dial(peer, options.connect_timeout).await?;
        let wire = Rc::new(Wire {
            peer: peer.clone(),
            stream,
            options: options.clone(),
            outgoing: RefCell::default(),
            outgoing_bytes: Cell::new(0),
            work: Signal::default(),
            sent: Broadcast::default(),
            waiting: RefCell::default(),
            correlation_id: Cell::new(0),
            failure: RefCell::default(),
        });
        let tasks = [rt::spawn(write(wire.clone())), rt::spawn(read(wire.clone()))];
        let mut connection = Connection { wire, versions: Versions::default(), _tasks: tasks };
        connection.versions = connection.negotiate().await?;
        Ok(connection)
    }

    pub fn peer(&self) -> &Endpoint {
        &self.wire.peer
    }

    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    pub fn is_alive(&self) -> bool {
        self.wire.failure.borrow().is_none()
    }

    /// Requests whose answer is due.
    pub fn in_flight(&self) -> usize {
        self.wire.waiting.borrow().len()
    }

    /// The highest version of an API that both sides speak.
    pub fn version<A: Api>(&self) -> Result<i16> {
        self.version_at_most::<A>(A::MAX)
    }

    pub fn version_at_most<A: Api>(&self, most: i16) -> Result<i16> {
        let peer = || self.wire.peer.to_string();
        self.versions
            .common::<A>(most)
            .ok_or_else(|| Error::Unsupported { peer: peer(), api: A::NAME })
    }

    /// Sends a request in the highest common version and waits for the answer.
    pub async fn call<A: Api>(&self, request: &A::Request<'_>) -> Result<Answer<A>> {
        self.send::<A>(self.version::<A>()?, request).answer().await
    }

    /// Queues a request. Requests leave in the order of these calls, whatever is awaited when.
    pub fn send<A: Api>(&self, version: i16, request: &A::Request<'_>) -> Pending<A> {
        let (answer, receiver) = oneshot();
        let correlation_id = self.queue::<A>(version, request);
        if self.is_alive() {
            self.wire.waiting.borrow_mut().push_back(Waiting { correlation_id, answer });
        }
        Pending {
            wire: self.wire.clone(),
            version,
            answer: receiver,
            timeout: self.wire.options.request_timeout,
            api: PhantomData,
        }
    }

    /// Queues a request that is never answered (Produce with acks=0).
    pub fn send_unanswered<A: Api>(&self, version: i16, request: &A::Request<'_>) {
        self.queue::<A>(version, request);
    }

    /// Waits until at most `most` bytes are queued and not yet given to the kernel.
    pub async fn sent_down_to(&self, most: usize) -> Result<()> {
        while self.wire.outgoing_bytes.get() > most {
            self.wire.alive()?;
            self.wire.sent.wait().await;
        }
        self.wire.alive()
    }

    fn queue<A: Api>(&self, version: i16, request: &A::Request<'_>) -> i32 {
        let wire = &self.wire;
        let correlation_id = wire.correlation_id.get();
        wire.correlation_id.set(correlation_id.wrapping_add(1));
        let mut bytes = Vec::new();
        let client_id = Some(wire.options.client_id.as_str());
        let mut writer = Writer::new(&mut bytes);
        frame::write_request::<A>(&mut writer, version, correlation_id, client_id, request);
        if self.is_alive() {
            wire.outgoing_bytes.set(wire.outgoing_bytes.get() + bytes.len());
            let slice = Slice::from(Buf::copy_of(&bytes));
            wire.outgoing.borrow_mut().push_back(Piece::Bytes(slice));
            wire.work.raise();
        }
        correlation_id
    }

    /// Asks for the broker's versions, in ours first; a broker that does not know it answers in
    /// version 0 and says which it knows (KIP-511).
    async fn negotiate(&self) -> Result<Versions> {
        let request = ApiVersionsRequest {
            client_software_name: "ringmain",
            client_software_version: env!("CARGO_PKG_VERSION"),
            ..Default::default()
        };
        let malformed = |reason: String| Error::Malformed {
            peer: self.wire.peer.to_string(),
            reason: format!("{reason} (is it a Kafka listener without TLS?)"),
        };
        let mut version = ApiVersions::MAX;
        loop {
            let answer = match self.send::<ApiVersions>(version, &request).frame().await {
                Ok(frame) => frame,
                Err(Error::Malformed { reason, .. }) => return Err(malformed(reason)),
                Err(Error::Lost { peer, reason }) => {
                    let reason = format!("{reason}, at the first request (does it expect TLS?)");
                    return Err(Error::Lost { peer, reason });
                }
                Err(error) => return Err(error),
            };
            // Behind length and correlation id the error code stands first in every version.
            let body = answer.get(LENGTH_SIZE + 4..).unwrap_or_default();
            let code = Reader::new(body).i16().map(ErrorCode);
            let unsupported = code == Ok(ErrorCode::UNSUPPORTED_VERSION);
            let spoken = if unsupported { 0 } else { version };
            let response = ApiVersionsResponse::decode(&mut Reader::new(body), spoken)
                .map_err(|error| malformed(error.to_string()))?;
            if !unsupported {
                let subject = self.wire.peer.to_string();
                return match response.error_code {
                    ErrorCode::NONE => Ok(Versions::of(&response)),
                    code => Err(Error::refused(subject, code, None)),
                };
            }
            let theirs = Versions::of(&response).common::<ApiVersions>(version - 1).unwrap_or(0);
            if version == 0 {
                return Err(malformed("it refuses ApiVersions v0".into()));
            }
            version = theirs;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.fail(self.wire.lost("it was closed here"));
    }
}

impl<A: Api> Pending<A> {
    /// Lets this one answer take longer than the rest: what the request itself lets the broker wait.
    pub fn allow(mut self, longer: Duration) -> Pending<A> {
        self.timeout += longer;
        self
    }

    pub async fn answer(self) -> Result<Answer<A>> {
        let (version, peer) = (self.version, self.wire.peer.to_string());
        Ok(Answer::new(self.frame().await?, version, peer))
    }

    async fn frame(self) -> Result<Buf> {
        match rt::timeout(self.timeout, self.answer).await {
            Some(Some(result)) => result,
            // The sender went with the connection.
            Some(None) => Err(self.wire.alive().err().unwrap_or_else(|| self.wire.lost("closed"))),
            None => {
                // What comes later would be taken for the next answer: the connection is spoilt.
                let peer = self.wire.peer.to_string();
                let error = Error::TimedOut { peer, api: A::NAME, after: self.timeout };
                self.wire.fail(error.clone());
                Err(error)
            }
        }
    }
}

impl Wire {
    fn lost(&self, reason: impl Into<String>) -> Error {
        Error::Lost { peer: self.peer.to_string(), reason: reason.into() }
    }

    fn alive(&self) -> Result<()> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Ends the connection; the first reason is the one that everybody hears.
    fn fail(&self, error: Error) {
        if self.failure.borrow().is_some() {
            return;
        }
        *self.failure.borrow_mut() = Some(error.clone());
        self.stream.shutdown();
        self.outgoing.borrow_mut().clear();
        let waiting = mem::take(&mut *self.waiting.borrow_mut());
        for Waiting { answer, .. } in waiting {
            answer.send(Err(error.clone()));
        }
        self.sent.raise();
        self.work.raise();
    }

    /// Gives a whole frame to whoever waits for it.
    fn deliver(&self, frame: Buf) -> Result<()> {
        let found = Reader::new(&frame[LENGTH_SIZE..]).i32();
        let waiting = self.waiting.borrow_mut().pop_front();
        match waiting {
            Some(Waiting { correlation_id, answer }) if found == Ok(correlation_id) => {
                answer.send(Ok(frame));
                Ok(())
            }
            _ => Err(self.malformed("it answered what was not asked")),
        }
    }

    fn malformed(&self, reason: impl Into<String>) -> Error {
        Error::Malformed { peer: self.peer.to_string(), reason: reason.into() }
    }
}

async fn write(wire: Rc<Wire>) {
    while wire.failure.borrow().is_none() {
        let mut pieces = mem::take(&mut *wire.outgoing.borrow_mut());
        if pieces.is_empty() {
            wire.work.wait().await;
            continue;
        }
        let bytes: usize = pieces.iter().map(|piece| piece.len() as usize).sum();
        if let Err(error) = wire.stream.send(&mut pieces).await {
            wire.fail(wire.lost(plain(&error)));
            return;
        }
        wire.outgoing_bytes.set(wire.outgoing_bytes.get() - bytes);
        wire.sent.raise();
    }
}

async fn read(wire: Rc<Wire>) {
    let mut buf = Buf::with_capacity(RECEIVE_BYTES);
    loop {
        let most = match take_frames(&wire, &mut buf) {
            Ok(most) => most,
            Err(error) => return wire.fail(error),
        };
        // Grows with what really came, not with what was announced.
        if buf.spare() == 0 {
            let room = most.min(buf.len()).max(LENGTH_SIZE);
            buf.reserve(room);
        }
        let (received, back) = wire.stream.receive_most(buf, most).await;
        buf = back;
        match received {
            Ok(0) => return wire.fail(wire.lost("the broker closed it")),
            Ok(_) => {}
            Err(error) => return wire.fail(wire.lost(plain(&error))),
        }
    }
}

/// Delivers the whole frames in the buffer. Yields how many bytes may be received next.
fn take_frames(wire: &Wire, buf: &mut Buf) -> Result<usize> {
    loop {
        let Some(prefix) = buf.first_chunk() else { return Ok(usize::MAX) };
        let len = frame::length(*prefix, wire.options.answer_bytes_max)
            .map_err(|_| wire.malformed("it sends frames of impossible length"))?;
        let end = LENGTH_SIZE + len;
        if buf.len() == end {
            let frame = mem::replace(buf, Buf::with_capacity(RECEIVE_BYTES));
            wire.deliver(frame)?;
        } else if buf.len() > end {
            wire.deliver(Buf::copy_of(&buf[..end]))?;
            buf.consume(end);
        } else if end >= OWN_BUFFER_BYTES {
            return Ok(end - buf.len());
        } else {
            return Ok(usize::MAX);
        }
    }
}

/// Tries the addresses of a name in turn.
async fn dial(peer: &Endpoint, timeout: Duration) -> Result<Stream> {
    let mut failure = peer.unreachable("the name has no address");
    for address in peer.resolve().await? {
        match rt::timeout(timeout, Stream::connect(address)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = peer.unreachable(plain(&error)),
            None => {
                let seconds = timeout.as_secs_f64();
                failure = peer.unreachable(format!("no connection within {seconds} s"));
            }
        }
    }
    Err(failure)
}

/// What people understand, without the system's error number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::ConnectionReset => "the other side reset it".to_owned(),
        io::ErrorKind::BrokenPipe => "the other side closed it".to_owned(),
        io::ErrorKind::TimedOut => "no answer from the network".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests;
