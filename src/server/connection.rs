//! One client connection: frames in, answers out in request order.
//!
//! One task reads and dispatches, another writes; they share the [`Replies`]. Frames are handled
//! where they lie in the receive buffer. A large record set of one partition is received straight
//! into an aligned buffer that the partition's log can take over as it is.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::base::buf::{Buf, Slice};
use crate::base::time::Instant;
use crate::handlers::produce::{Place, Placed};
use crate::handlers::reply::{Replies, Reply};
use crate::handlers::spare::recycle_vec;
use crate::handlers::{self, Client, Desk};
use crate::notice;
use crate::rt::{self, Piece, Stream};
use crate::wire::frame::RequestKind;
use crate::wire::message::Api;
use crate::wire::messages::fetch::Fetch;
use crate::wire::messages::produce::Produce;

/// Receive buffer of a connection that says little, in bytes.
const QUIET_BYTES: usize = 4 << 10;
/// Receive buffer of a busy connection.
const BUSY_BYTES: usize = 64 << 10;
/// Frames from this size on are looked at before they are complete.
const LARGE_FRAME: usize = 32 << 10;
/// Bytes read of a frame that is likely large: its head, so that its records can be placed.
const NEXT_HEAD_BYTES: usize = 512;
/// Answers one connection may be owed before it is no longer read, and the memory they may hold.
const REPLIES_MAX: usize = 1024;
const REPLIES_BYTES_MAX: usize = 1 << 20;
/// Small answers are gathered into one buffer of this size for a send.
const GATHER_BYTES: usize = 64 << 10;
/// Answers above this size are sent where they lie.
const GATHER_REPLY_MAX: usize = 8 << 10;

/// What the listener's room knows of a running connection.
pub struct Connection {
    pub stream: Stream,
    /// When the last request began or came to its end, or the last answer left.
    last_active: Cell<Instant>,
    /// Since when answers are on their way out.
    sending_since: Cell<Option<Instant>>,
    pub client: Rc<Client>,
    replies: Rc<Replies>,
    /// The sequence number of the last fetch, when there was one.
    last_fetch: Cell<Option<u64>>,
    closed: Cell<bool>,
}

/// Why a connection ended, other than by the client's will.
enum End {
    Client,
    Io(io::Error),
    Protocol(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Client,
            _ => End::Io(error),
        }
    }
}

impl Connection {
    pub fn new(stream: Stream, lane: usize) -> Rc<Connection> {
        let client = Rc::new(Client::new(stream.peer_addr(), lane));
        Rc::new(Connection {
            stream,
            last_active: Cell::new(rt::now()),
            sending_since: Cell::new(None),
            client,
            replies: Rc::default(),
            last_fetch: Cell::new(None),
            closed: Cell::new(false),
        })
    }

    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr()
    }

    /// Whether nothing has happened here for so long. A client that is owed an answer is not idle,
    /// unless it is the one who does not take it; one that sends a request byte by byte is.
    pub fn is_idle(&self, now: Instant, idle_max: Duration) -> bool {
        match self.sending_since.get() {
            Some(since) => now.since(since) > idle_max,
            None => self.replies.is_empty() && now.since(self.last_active.get()) > idle_max,
        }
    }

    /// Answers are owed, or on their way out.
    fn is_answering(&self) -> bool {
        !self.replies.is_empty() || self.sending_since.get().is_some()
    }

    /// Takes no more requests; the answers that are owed still leave.
    pub fn finish(&self) {
        self.stream.shutdown_receive();
    }

    pub fn close(&self) {
        if !self.closed.replace(true) {
            self.stream.shutdown();
            self.replies.ready.raise();
            self.replies.drained.raise();
        }
    }

    /// Serves the connection to its end.
    pub async fn serve(self: &Rc<Self>, desk: &Rc<Desk>) {
        let writer = {
            let connection = self.clone();
            rt::spawn(async move {
                let end = connection.write().await;
                connection.close();
                end
            })
        };
        let end = self.read(desk).await;
        // What was asked before a clean end is still answered.
        if matches!(end, Err(End::Client)) && !self.closed.get() {
            while self.is_answering() && !self.closed.get() {
                self.replies.drained.wait().await;
            }
        }
        self.close();
        let written = writer.await;
        for end in [end, written] {
            match end {
                Ok(()) | Err(End::Client) => {}
                Err(End::Io(error)) => notice!("connection from {} ended: {error}", self.peer()),
                Err(End::Protocol(reason)) => {
                    notice!("connection from {} closed: {reason}", self.peer());
                }
            }
        }
    }

    async fn read(&self, desk: &Rc<Desk>) -> Result<(), End> {
        let mut buf = Buf::with_capacity(QUIET_BYTES);
        let mut bulk = false;
        let frame_max = desk.frame_bytes_max();
        loop {
            let mut at = 0;
            while let Some(len) = frame_len(&buf[at..], frame_max)? {
                let Some(frame) = buf.get(at + 4..at + 4 + len) else { break };
                self.make_room(desk, frame).await?;
                self.dispatch(desk, frame, None).await?;
                at += 4 + len;
            }
            if at > 0 {
                buf.consume(at);
                self.last_active.set(rt::now());
            }
            let pending = frame_len(&buf, frame_max)?;
            if let Some(len) = pending.filter(|&len| len >= LARGE_FRAME) {
                let place = handlers::produce::place(desk, &buf[4..], len);
                if let Some(place) = place {
                    self.make_room(desk, &buf[4..]).await?;
                    buf = self.receive_placed(desk, buf, len, place).await?;
                    bulk = true;
                    continue;
                }
            }
            let mut most = usize::MAX;
            match pending {
                // Room for what the frame still lacks, but never more than doubling: a length is
                // believed only as far as bytes have come.
                Some(len) => {
                    let lacking = 4 + len - buf.len();
                    if buf.spare() == 0 {
                        buf.reserve(lacking.min(buf.capacity()));
                    }
                }
                None if buf.is_empty() => {
                    if bulk {
                        // The next frame is likely large too: read its head alone, so that its
                        // records can be received in place.
                        most = NEXT_HEAD_BYTES;
                        bulk = false;
                    }
                    if buf.capacity() > BUSY_BYTES {
                        buf = Buf::with_capacity(QUIET_BYTES);
                    }
                }
                None => buf.reserve(4),
            }
            let begins = buf.is_empty();
            let (received, back) = self.stream.receive_most(buf, most).await;
            buf = back;
            let received = received?;
            if received == 0 {
                return Err(End::Client);
            }
            if begins {
                self.last_active.set(rt::now());
            }
            if buf.spare() == 0 && buf.capacity() < BUSY_BYTES {
                buf.reserve(BUSY_BYTES - buf.len());
            } else if buf.capacity() > QUIET_BYTES && buf.len().max(received) < QUIET_BYTES / 4 {
                let mut small = Buf::with_capacity(QUIET_BYTES);
                small.extend_from_slice(&buf);
                buf = small;
            }
        }
    }

    /// Receives a large record set straight into the buffer the log will take over. What comes
    /// behind the frame stays in the buffer that is given back.
    async fn receive_placed(
        &self,
        desk: &Rc<Desk>,
        mut head: Buf,
        frame_len: usize,
        place: Place,
    ) -> Result<Buf, End> {
        let Place { records_at, records_len, start } = place;
        let records_at = 4 + records_at;
        let mut records = Buf::with_capacity(start + records_len);
        records.set_len(start);
        let here = head.len().min(records_at + records_len);
        records.extend_from_slice(&head[records_at..here]);
        while records.len() < start + records_len {
            let most = start + records_len - records.len();
            let (received, back) = self.stream.receive_most(records, most).await;
            records = back;
            if received? == 0 {
                return Err(End::Client);
            }
        }
        // What stands behind the records (tagged fields, the next frame) joins the head.
        head.copy_within(here.., records_at);
        head.set_len(head.len() - (here - records_at));
        let whole = 4 + frame_len - records_len;
        while head.len() < whole {
            head.reserve(whole + NEXT_HEAD_BYTES - head.len());
            let most = whole + NEXT_HEAD_BYTES - head.len();
            let (received, back) = self.stream.receive_most(head, most).await;
            head = back;
            if received? == 0 {
                return Err(End::Client);
            }
        }
        if head[records_at..whole].iter().any(|&tags| tags != 0) {
            let reason = "a produce request with tagged fields that its length does not hold";
            return Err(End::Protocol(reason.to_owned()));
        }
        self.last_active.set(rt::now());
        let placed = Some((frame_len, Placed { buf: records, start }));
        self.dispatch(desk, &head[4..records_at], placed).await?;
        head.consume(whole);
        Ok(head)
    }

    /// Waits while too much is owed to this client, or, before a produce request, held unwritten
    /// by this core. A fetch waits until the answer of the one before is on its way: a client that
    /// reads nothing is owed one, not a thousand.
    async fn make_room(&self, desk: &Rc<Desk>, frame: &[u8]) -> Result<(), End> {
        let key = RequestKind::peek(frame).map(|kind| kind.api_key).ok();
        let is_fetch = key == Some(Fetch::KEY);
        while self.replies.len() >= REPLIES_MAX
            || self.replies.memory_bytes() >= REPLIES_BYTES_MAX
            || (is_fetch && self.last_fetch.get().is_some_and(|fetch| self.replies.owes(fetch)))
        {
            self.replies.drained.wait().await;
            if self.closed.get() {
                return Err(End::Client);
            }
        }
        if key == Some(Produce::KEY) {
            desk.shard.wait_for_memory().await;
        }
        Ok(())
    }

    async fn dispatch(
        &self,
        desk: &Rc<Desk>,
        frame: &[u8],
        placed: Option<(usize, Placed)>,
    ) -> Result<(), End> {
        let ticket = self.replies.ticket();
        if RequestKind::peek(frame).is_ok_and(|kind| kind.api_key == Fetch::KEY) {
            self.last_fetch.set(Some(ticket.sequence()));
        }
        handlers::dispatch(desk, &self.client, frame, placed, ticket).await.map_err(End::Protocol)
    }

    async fn write(&self) -> Result<(), End> {
        let mut pieces: VecDeque<Piece> = VecDeque::new();
        let mut gather: Option<Buf> = None;
        loop {
            let (mut popped, mut popped_bytes) = (0, 0);
            while let Some(reply) = self.replies.pop() {
                popped += 1;
                popped_bytes += reply.memory_bytes();
                match reply {
                    Reply::Frame(bytes) if bytes.len() <= GATHER_REPLY_MAX => {
                        let gather = gather.get_or_insert_with(|| Buf::with_capacity(QUIET_BYTES));
                        gather.extend_from_slice(&bytes);
                        recycle_vec(bytes);
                    }
                    Reply::Frame(bytes) => {
                        flush_gathered(&mut gather, &mut pieces);
                        pieces.push_back(Piece::Bytes(Slice::from(Buf::copy_of(&bytes))));
                    }
                    Reply::Pieces(parts) => {
                        flush_gathered(&mut gather, &mut pieces);
                        pieces.extend(parts);
                    }
                    Reply::Silent => {}
                    Reply::Close(reason) => return Err(End::Protocol(reason.to_owned())),
                }
                if popped_bytes >= GATHER_BYTES || pieces.len() > 64 {
                    break;
                }
            }
            if popped == 0 {
                if self.closed.get() {
                    return Ok(());
                }
                self.replies.ready.wait().await;
                continue;
            }
            self.replies.drained.raise();
            flush_gathered(&mut gather, &mut pieces);
            if !pieces.is_empty() {
                self.sending_since.set(Some(rt::now()));
                self.stream.send(&mut pieces).await?;
                self.sending_since.set(None);
                self.last_active.set(rt::now());
                self.replies.drained.raise();
            }
        }
    }
}

fn flush_gathered(gather: &mut Option<Buf>, pieces: &mut VecDeque<Piece>) {
    pieces.extend(gather.take().map(|full| Piece::Bytes(Slice::from(full))));
}

/// The length that the prefix at the front announces; `None` when the prefix is incomplete.
fn frame_len(bytes: &[u8], max: usize) -> Result<Option<usize>, End> {
    let Some(prefix) = bytes.first_chunk::<4>() else { return Ok(None) };
    let len = i32::from_be_bytes(*prefix);
    match usize::try_from(len) {
        Ok(len) if (1..=max).contains(&len) => Ok(Some(len)),
        _ => Err(End::Protocol(format!(
            "a frame of {len} bytes is outside 1..={max} (socket.request.max.bytes)"
        ))),
    }
}
