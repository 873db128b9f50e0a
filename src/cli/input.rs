//! Bytes from standard input or a file, read ahead by a thread of its own: a terminal at which nobody
//! types holds up nobody.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::failure::{Failure, plain};
use crate::rt::{self, Inbox};

const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that are read before they are asked for.
const CHUNKS_AHEAD: usize = 2;

pub struct Input {
    name: String,
    /// Known for regular files.
    len: Option<u64>,
    is_terminal: bool,
    buffers: mpsc::Sender<Vec<u8>>,
    chunks: Inbox<(Vec<u8>, io::Result<usize>)>,
}

impl Input {
    /// Opens the file, or takes standard input for `None` or `-`.
    pub fn open(path: Option<&Path>) -> Result<Input, Failure> {
        match path.filter(|path| *path != Path::new("-")) {
            None => {
                let stdin = io::stdin();
                let len = File::open("/dev/stdin").ok().and_then(|file| len_of(&file));
                Input::of("standard input".to_owned(), stdin.is_terminal(), len, stdin)
            }
            Some(path) => {
                let named = |error: io::Error| {
                    Failure::Told(format!("--file {}: {}", path.display(), plain(&error)))
                };
                let file = File::open(path).map_err(named)?;
                if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    return Err(format!("--file {}: this is a directory", path.display()).into());
                }
                let name = PathBuf::from(path).display().to_string();
                let len = len_of(&file);
                Input::of(name, false, len, file)
            }
        }
    }

    fn of(
        name: String,
        is_terminal: bool,
        len: Option<u64>,
        mut reader: impl Read + Send + 'static,
    ) -> Result<Input, Failure> {
        let (buffers, free) = mpsc::channel::<Vec<u8>>();
        let (sender, chunks) =
            rt::inbox(CHUNKS_AHEAD).map_err(|error| format!("{name}: {error}"))?;
        thread::spawn(move || {
            for mut buffer in free {
                buffer.resize(CHUNK_BYTES, 0);
                let read = loop {
                    match reader.read(&mut buffer) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                let ended = !matches!(read, Ok(1..));
                // There are no more buffers than room.
                let _ = sender.try_send((buffer, read));
                if ended {
                    break;
                }
            }
        });
        for _ in 0..CHUNKS_AHEAD {
            // An empty input may have ended with the first.
            let _ = buffers.send(Vec::new());
        }
        Ok(Input { name, len, is_terminal, buffers, chunks })
    }

    pub fn len(&self) -> Option<u64> {
        self.len
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The next bytes; `None` at the end, and only once.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let (mut chunk, read) = self.chunks.receive().await;
        let read = read.map_err(|error| format!("{}: {}", self.name, plain(&error)))?;
        chunk.truncate(read);
        Ok((read > 0).then_some(chunk))
    }

    /// Gives a chunk back to be filled again.
    pub fn recycle(&mut self, chunk: Vec<u8>) {
        // At the end of the input nobody needs it.
        let _ = self.buffers.send(chunk);
    }
}

fn len_of(file: &File) -> Option<u64> {
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}
