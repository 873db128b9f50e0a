//! A net on which requests get lost, are late, or arrive a second time, on another connection and perhaps long
//! after their client has given them up.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use ringmain::base::buf::{Buf, Slice};
use ringmain::base::prng::Prng;
use ringmain::rt::{self, Piece, Stream};
use ringmain::wire::Api;
use ringmain::wire::messages::end_txn::EndTxn;
use ringmain::wire::messages::offset_commit::OffsetCommit;
use ringmain::wire::messages::txn_offset_commit::TxnOffsetCommit;

/// Longer than sessions and transactions last in these tests.
const LATE_MS_MAX: u64 = 8_000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
    AnswerLost,
    /// Its client hears nothing of it.
    Late(Duration),
    /// Answered, and then there again.
    Twice(Duration),
}

#[derive(Clone)]
pub struct BadNet {
    pub random: Prng,
    /// Something happens to one request in so many.
    one_in: u64,
}

impl BadNet {
    pub fn new(random: Prng, one_in: u64) -> BadNet {
        BadNet { random, one_in }
    }

    pub fn fate(&mut self, api_key: i16, version: i16) -> Fate {
        if !self.random.chance(1, self.one_in) {
            return Fate::Arrives;
        }
        // Soon or long after.
        let most = 1 << self.random.below(14);
        let delay = Duration::from_millis(self.random.below(most).min(LATE_MS_MAX));
        match self.random.below(4) {
            0 => Fate::Lost,
            1 => Fate::AnswerLost,
            _ if counts_when_late(api_key, version) => Fate::AnswerLost,
            2 => Fate::Late(delay),
            _ => Fate::Twice(delay),
        }
    }
}

/// Where the protocol itself cannot tell a late copy from a new request: commits of offsets in one
/// generation, and transactions before each had an epoch of its own (KIP-890).
fn counts_when_late(api_key: i16, version: i16) -> bool {
    api_key == OffsetCommit::KEY
        || (api_key == EndTxn::KEY && version < 5)
        || (api_key == TxnOffsetCommit::KEY && version < 5)
}

/// Sends the frame on a connection of its own, whatever is answered.
pub fn send_later(address: SocketAddr, bytes: Vec<u8>, delay: Duration) {
    rt::spawn(async move {
        rt::sleep(delay).await;
        let Ok(stream) = Stream::connect(address).await else { return };
        let mut pieces = VecDeque::from([Piece::Bytes(Slice::from(Buf::copy_of(&bytes)))]);
        if stream.send(&mut pieces).await.is_ok() {
            // Left open until it was answered, as it would be.
            let _ =
                rt::timeout(Duration::from_secs(10), stream.receive(Buf::with_capacity(64))).await;
        }
    })
    .detach();
}
