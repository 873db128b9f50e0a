//! A connection to a RocketMQ broker that asks one thing at a time.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::command::Command;
use crate::driver::Result;
use crate::peers::link::{connect, read_frame};

/// More than the longest pull that waits.
const ANSWER_PATIENCE: Duration = Duration::from_secs(40);

pub struct Line {
    pub stream: TcpStream,
    opaque: i32,
    frame: Vec<u8>,
}

impl Line {
    pub fn open(address: &str) -> Result<Line> {
        let stream = connect(address)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        Ok(Line { stream, opaque: 0, frame: Vec::new() })
    }

    /// Asks and waits, whatever the code of the answer.
    pub fn ask_any(&mut self, mut command: Command) -> Result<Command> {
        self.opaque += 1;
        command.opaque = self.opaque;
        let mut bytes = Vec::new();
        command.write(&mut bytes)?;
        self.stream.write_all(&bytes)?;
        loop {
            read_frame(&mut self.stream, &mut self.frame)?;
            let answer = Command::read(&self.frame)?;
            // The broker has questions of its own, which it sends without waiting for an answer.
            if answer.opaque == self.opaque {
                return Ok(answer);
            }
        }
    }

    pub fn ask(&mut self, command: Command) -> Result<Command> {
        let answer = self.ask_any(command)?;
        match answer.refusal() {
            Some(refusal) => Err(refusal.into()),
            None => Ok(answer),
        }
    }
}
