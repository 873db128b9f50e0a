//! A transaction, by its id: the only record of `__transaction_state`. Value version 1 also has the
//! producer's ids before and after an end that goes on to another id or epoch (KIP-890).

use crate::record;

record! {
    key TransactionLogKey<'a> = 0 {
        transactional_id: &'a str, 0+;
    }

    value TransactionLogValue<'a>, versions 0-1, flexible 1+ {
        producer_id: i64, 0+;
        previous_producer_id: i64, 1+, tag 0, default -1;
        next_producer_id: i64, 1+, tag 1, default -1;
        producer_epoch: i16, 0+;
        transaction_timeout_ms: i32, 0+;
        /// 0 empty, 1 ongoing, 2 prepared to commit, 3 prepared to abort, 4 committed, 5 aborted,
        /// 6 dead, 7 prepared to fence.
        transaction_status: i8, 0+;
        transaction_partitions: Option<Vec<TransactionPartitions<'a>>>, 0+, null 0+;
        transaction_last_update_timestamp_ms: i64, 0+;
        transaction_start_timestamp_ms: i64, 0+;
        /// By whose rules the client ends its transactions: 2 is those of KIP-890.
        client_transaction_version: i16, 1+, tag 2;
        next_producer_epoch: i16, 1+, tag 3, default -1;
    }

    struct TransactionPartitions<'a> {
        topic: &'a str, 0+;
        partition_ids: Vec<i32>, 0+;
    }
}
