//! A connection to RabbitMQ's stream port: greeted, logged in, and asked one thing at a time until it is
//! handed over to a producer or a consumer.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::frame::{self, Frames, Reading};
use crate::driver::Result;
use crate::peers::link::{Link, connect, read_frame};

/// The account that a new broker has for its own host.
const USER: &str = "guest";
const PASSWORD: &str = "guest";
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

pub struct Connection {
    stream: TcpStream,
    correlation: u32,
    pub version: String,
    pub frame_bytes_max: usize,
}

impl Connection {
    pub fn open(address: &str) -> Result<Connection> {
        let stream = connect(address)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let version = String::new();
        let mut connection =
            Connection { stream, correlation: 0, version, frame_bytes_max: 1 << 20 };
        connection.greet()?;
        Ok(connection)
    }

    fn greet(&mut self) -> Result<()> {
        let properties = [("product", "ringmain-bench"), ("platform", "Rust")];
        let answer = self.ask(frame::PEER_PROPERTIES, |frames| {
            frames.map(&properties);
        })?;
        let server = Reading(&answer).map()?;
        let version = server.iter().find(|(key, _)| *key == "version").map(|(_, value)| *value);
        self.version = format!("RabbitMQ {}", version.unwrap_or("of unknown version"));
        self.ask(frame::SASL_HANDSHAKE, |_| ())?;
        self.ask(frame::SASL_AUTHENTICATE, |frames| {
            let secret = format!("\0{USER}\0{PASSWORD}");
            frames.string("PLAIN").u32(secret.len() as u32);
            frames.bytes.extend(secret.as_bytes());
        })?;
        self.tune()?;
        self.ask(frame::OPEN, |frames| {
            frames.string("/");
        })?;
        Ok(())
    }

    /// The broker proposes, and gets its proposal back without heartbeats: a round is short, and
    /// a thread that only counts seconds would be measured too.
    fn tune(&mut self) -> Result<()> {
        let frame = self.read()?;
        let mut reading = Reading(&frame);
        if reading.u16()? != frame::TUNE {
            return Err("RabbitMQ does not tune the connection".into());
        }
        let (_version, bytes, _heartbeat) = (reading.u16()?, reading.u32()?, reading.u32()?);
        if bytes > 0 {
            self.frame_bytes_max = bytes as usize;
        }
        let mut frames = Frames::default();
        frames.begin(frame::TUNE).u32(bytes).u32(0).end();
        self.stream.write_all(&frames.bytes)?;
        Ok(())
    }

    pub fn create(&mut self, stream: &str) -> Result<()> {
        self.ask(frame::CREATE, |frames| {
            frames.string(stream).map(&[]);
        })?;
        Ok(())
    }

    pub fn declare_publisher(&mut self, publisher: u8, stream: &str) -> Result<()> {
        self.ask(frame::DECLARE_PUBLISHER, |frames| {
            frames.u8(publisher).string("").string(stream);
        })?;
        Ok(())
    }

    /// Asks and waits. What stands behind the code of the answer is given back.
    pub fn ask(&mut self, key: u16, content: impl FnOnce(&mut Frames)) -> Result<Vec<u8>> {
        self.correlation += 1;
        let mut frames = Frames::default();
        frames.begin(key).u32(self.correlation);
        content(&mut frames);
        frames.end();
        self.stream.write_all(&frames.bytes)?;
        loop {
            let frame = self.read()?;
            let mut reading = Reading(&frame);
            let (found, _version) = (reading.u16()?, reading.u16()?);
            // Streams that come and go are told of at any time.
            if found == frame::HEARTBEAT || found == frame::METADATA_UPDATE {
                continue;
            }
            if found == frame::CLOSE {
                let (_correlation, code) = (reading.u32()?, reading.u16()?);
                return Err(format!("RabbitMQ closes: code {code}, {}", reading.string()?).into());
            }
            if found != key | frame::ANSWER || reading.u32()? != self.correlation {
                return Err(format!("RabbitMQ answers {key:#x} with {found:#x}").into());
            }
            if let Some(refusal) = frame::code(reading.u16()?) {
                return Err(format!("RabbitMQ refuses {key:#x}: {refusal}").into());
            }
            return Ok(reading.0.to_vec());
        }
    }

    fn read(&mut self) -> Result<Vec<u8>> {
        let mut frame = Vec::new();
        read_frame(&mut self.stream, &mut frame)?;
        Ok(frame)
    }

    /// From here on frames come as they come. `hear` gets their keys and contents.
    pub fn start(
        self,
        mut hear: impl FnMut(io::Result<(u16, Reading<'_>)>) -> io::Result<()> + Send + 'static,
    ) -> Result<Link> {
        self.stream.set_read_timeout(None)?;
        let link = Link::start(self.stream, move |frame| {
            let keyed = frame.and_then(|frame| {
                let mut reading = Reading(frame);
                let (key, _version) = (reading.u16()?, reading.u16()?);
                match key {
                    frame::CLOSE => Err(io::Error::other("RabbitMQ closes the connection")),
                    _ => Ok((key, reading)),
                }
            });
            hear(keyed)
        })?;
        Ok(link)
    }
}
