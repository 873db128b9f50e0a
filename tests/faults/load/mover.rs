//! Somebody who sends a partition from one data directory to another, over and over.

use std::io;
use std::thread;
use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirs, AlterReplicaLogDirsRequest,
};

use super::{Work, Worker};
use crate::client::Client;

pub struct Mover {
    homes: Vec<String>,
}

impl Mover {
    pub fn between(homes: &[String]) -> Mover {
        Mover { homes: homes.to_vec() }
    }
}

impl Work for Mover {
    fn connection(&mut self, worker: &mut Worker, mut client: Client) -> io::Result<()> {
        while !worker.is_stopped() {
            let home = worker.dice.below(self.homes.len() as u64) as usize;
            let topics = vec![AlterReplicaLogDirTopic {
                name: &worker.topic.name,
                partitions: vec![worker.partition],
            }];
            let dirs = vec![AlterReplicaLogDir { path: &self.homes[home], topics }];
            let request = AlterReplicaLogDirsRequest { dirs };
            let answer = client.call::<AlterReplicaLogDirs>(2, &request)?;
            let error = answer.body().results[0].partitions[0].error_code;
            match error {
                ErrorCode::NONE => {}
                // This lane is another's.
                ErrorCode::REPLICA_NOT_AVAILABLE => return Ok(()),
                error => worker.wrong(error),
            }
            thread::sleep(Duration::from_millis(20 + worker.dice.below(100)));
        }
        Ok(())
    }
}
