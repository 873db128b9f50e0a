//! One connection of a client: requests go out, answers come back in order.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ringmain::base::buf::{Buf, Slice};
use ringmain::rt::{self, Piece, Stream};
use ringmain::wire::{Api, Message, Reader, Writer, frame};

use crate::bad_net::{BadNet, Fate, send_later};

/// How long an answer may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);
const FRAME_MAX: usize = 64 << 20;

pub struct Caller {
    stream: Stream,
    received: Buf,
    asked: i32,
    answered: i32,
    address: SocketAddr,
    net: Option<BadNet>,
    /// No answer will come.
    is_deaf: bool,
}

fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

impl Caller {
    pub async fn connect(address: SocketAddr) -> io::Result<Caller> {
        let stream = Stream::connect(address).await?;
        Ok(Caller {
            stream,
            received: Buf::with_capacity(4096),
            asked: 0,
            answered: 0,
            address,
            net: None,
            is_deaf: false,
        })
    }

    /// From now on requests may get lost on their way, be late, or arrive twice.
    pub fn over(mut self, net: Option<BadNet>) -> Caller {
        self.net = net;
        self
    }

    /// Sends a request and does not wait.
    pub async fn ask<A: Api>(&mut self, version: i16, request: &A::Request<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        frame::write_request::<A>(&mut writer, version, self.asked, Some("sim"), request);
        self.asked += 1;
        if self.is_deaf {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        let fate = self.net.as_mut().map_or(Fate::Arrives, |net| net.fate(A::KEY, version));
        match fate {
            Fate::Arrives => {}
            Fate::Lost => {
                self.is_deaf = true;
                return Ok(());
            }
            Fate::AnswerLost => self.is_deaf = true,
            Fate::Late(delay) => {
                self.is_deaf = true;
                send_later(self.address, bytes, delay);
                return Ok(());
            }
            Fate::Twice(delay) => send_later(self.address, bytes.clone(), delay),
        }
        let mut pieces = VecDeque::from([Piece::Bytes(Slice::from(Buf::copy_of(&bytes)))]);
        self.stream.send(&mut pieces).await
    }

    /// The answer to the oldest request that has none.
    pub async fn answer<A: Api, T>(
        &mut self,
        version: i16,
        read: impl FnOnce(A::Response<'_>) -> T,
    ) -> io::Result<T> {
        if self.is_deaf {
            let pause = self.net.as_mut().map_or(0, |net| net.random.below(1_000));
            rt::sleep(Duration::from_millis(pause)).await;
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        let frame = rt::timeout(PATIENCE, self.frame())
            .await
            .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))??;
        let mut reader = Reader::new(&frame);
        let error = |error| broken(format!("{} v{version}: {error:?}", A::NAME));
        let number = frame::read_response_header::<A>(&mut reader, version).map_err(error)?;
        if number != self.answered {
            return Err(broken(format!("answer {number} instead of {}", self.answered)));
        }
        self.answered += 1;
        let response = A::Response::decode(&mut reader, version).map_err(error)?;
        reader.expect_end().map_err(error)?;
        Ok(read(response))
    }

    pub async fn call<A: Api, T>(
        &mut self,
        version: i16,
        request: &A::Request<'_>,
        read: impl FnOnce(A::Response<'_>) -> T,
    ) -> io::Result<T> {
        self.ask::<A>(version, request).await?;
        self.answer::<A, T>(version, read).await
    }

    async fn frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(prefix) = self.received.first_chunk::<4>() {
                let len =
                    frame::length(*prefix, FRAME_MAX).map_err(|e| broken(format!("{e:?}")))?;
                if let Some(frame) = self.received.get(4..4 + len) {
                    let frame = frame.to_vec();
                    self.received.consume(4 + len);
                    return Ok(frame);
                }
            }
            let mut buf = std::mem::replace(&mut self.received, Buf::with_capacity(1));
            buf.reserve(1);
            let (result, buf) = self.stream.receive(buf).await;
            self.received = buf;
            if result? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    }
}
