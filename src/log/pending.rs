//! TEMPORARY.
use super::*;
use crate::base::buf::Buf;
use crate::model::{PartitionId, TopicId};
use crate::rt::Piece;
use std::path::Path;
use std::rc::Rc;
pub async fn gather(pieces: Vec<Piece>) -> Result<Buf, Error> {
    let mut out = Buf::with_capacity(pieces.iter().map(|p| p.len() as usize).sum::<usize>().max(1));
    for piece in pieces {
        match piece {
            Piece::Bytes(b) => out.extend_from_slice(&b),
            Piece::File(r) => {
                let (n, b) =
                    r.file.read_at(Buf::with_capacity(r.len as usize), r.pos, r.len as usize).await;
                n.map_err(|e| Error::io(Path::new("?"), None, &e))?;
                out.extend_from_slice(&b);
            }
        }
    }
    Ok(out)
}
impl Log {
    pub async fn open_or_create(
        dir: &Path,
        topic: TopicId,
        settings: LogSettings,
        budget: &Rc<Budget>,
        _c: Option<checkpoint::Entry>,
    ) -> Result<Rc<Log>, Error> {
        Log::create(dir, topic, settings, budget).await
    }
    pub fn checkpoint_entry(
        &self,
        topic_id: TopicId,
        topic: &str,
        partition: PartitionId,
    ) -> checkpoint::Entry {
        checkpoint::Entry {
            topic: topic.into(),
            partition: partition.0,
            topic_id,
            log_start_offset: 0,
            synced_offset: 0,
            segment: 0,
            position: 0,
            first_unfinished: 0,
            high_watermark: 0,
            clean: false,
            active: Default::default(),
        }
    }
    pub fn aborted_transactions(&self, _a: i64, _b: i64) -> Vec<(i64, i64)> {
        Vec::new()
    }
    pub fn epoch_at(&self, _o: i64) -> Option<i32> {
        None
    }
    pub fn epoch_end(&self, _o: i32) -> Option<(i32, i64)> {
        None
    }
    pub async fn max_timestamp(&self) -> Result<Option<(i64, i64)>, Error> {
        Ok(None)
    }
    pub async fn offset_for_timestamp(&self, _t: i64) -> Result<Option<(i64, i64)>, Error> {
        Ok(None)
    }
    pub async fn delete_before(&self, _t: i64) -> Result<(), Error> {
        Ok(())
    }
    pub async fn delete(&self) -> Result<(), Error> {
        Ok(())
    }
    pub fn expire_producers(&self, _now: i64) {}
    pub fn batch_bytes_max(&self) -> usize {
        self.settings().max_message_bytes
    }
}
