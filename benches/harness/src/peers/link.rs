//! A connection of frames: written from the sender's thread, read by a thread of its own.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// More than this is no frame of a broker that is measured here.
const FRAME_BYTES_MAX: usize = 64 << 20;
const READ_BUFFER_BYTES: usize = 256 << 10;
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// The writing end; whole frames only, from any thread.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<TcpStream>>);

pub struct Link {
    pub writer: Writer,
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

/// Connects, and gives both ends to whoever greets the broker before the reader begins.
pub fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::other(format!("{address} is no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads one frame behind its length of four bytes; the length is not part of itself.
pub fn read_frame(from: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes is too long")));
    }
    frame.resize(length, 0);
    from.read_exact(frame)
}

impl Link {
    /// `hear` gets every frame, and at last the reason for the end.
    pub fn start(
        stream: TcpStream,
        hear: impl FnMut(io::Result<&[u8]>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Link> {
        let writer = Writer(Arc::new(Mutex::new(stream.try_clone()?)));
        let reading = stream.try_clone()?;
        let reader = thread::Builder::new().name("peer reader".into());
        let reader = reader.spawn(move || read(reading, hear))?;
        Ok(Link { writer, stream, reader: Some(reader) })
    }
}

fn read(stream: TcpStream, mut hear: impl FnMut(io::Result<&[u8]>) -> io::Result<()>) {
    let mut stream = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    let mut frame = Vec::new();
    let ended = loop {
        let heard = read_frame(&mut stream, &mut frame).and_then(|()| hear(Ok(&frame)));
        if let Err(error) = heard {
            break error;
        }
    };
    // Nobody is left to hear of a failure to hear.
    let _ = hear(Err(ended));
}

impl Writer {
    pub fn write(&self, frames: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(frames)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may be closed already; the reader ends either way.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
