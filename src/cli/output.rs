//! Standard output of a core: gathered, then written by a thread of its own, so that a slow reader
//! never holds up the network. A reader that has gone ends the command quietly.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc;
use std::thread;

use super::failure::Failure;
use crate::rt::{self, Inbox};

/// Gathered bytes at which a writer should flush.
const FULL_BYTES: usize = 256 << 10;

pub struct Output {
    gathered: Vec<u8>,
    writes: mpsc::Sender<Vec<u8>>,
    /// The buffer comes back with how its writing went.
    written: Inbox<(Vec<u8>, io::Result<()>)>,
}

impl Output {
    pub fn standard() -> Result<Output, Failure> {
        let (writes, given) = mpsc::channel::<Vec<u8>>();
        let (done, written) = rt::inbox(1).map_err(|error| format!("standard output: {error}"))?;
        thread::spawn(move || {
            for bytes in given {
                let mut out = io::stdout().lock();
                let result = out.write_all(&bytes).and_then(|()| out.flush());
                // One write at a time: there is room.
                let _ = done.try_send((bytes, result));
            }
        });
        Ok(Output { gathered: Vec::new(), writes, written })
    }

    /// Where to put what is to be written.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    pub fn line(&mut self, text: &str) {
        self.gathered.extend_from_slice(text.as_bytes());
        self.gathered.push(b'\n');
    }

    /// One line of JSON.
    pub fn json(&mut self, value: &impl serde::Serialize) {
        serde_json::to_writer(&mut self.gathered, value).expect("plain values become JSON");
        self.gathered.push(b'\n');
    }

    pub fn is_full(&self) -> bool {
        self.gathered.len() >= FULL_BYTES
    }

    pub async fn flush(&mut self) -> Result<(), Failure> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = mem::take(&mut self.gathered);
        self.writes.send(bytes).map_err(|_| "standard output: its thread has ended")?;
        let (mut bytes, result) = self.written.receive().await;
        bytes.clear();
        self.gathered = bytes;
        result.map_err(|error| Failure::of_output(&error))
    }
}
