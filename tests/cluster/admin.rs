//! What an operator asks: where a log begins and ends, that records or topics go away, that a setting
//! is another one. Everything is asked until it is answered.

use std::io;
use std::time::Duration;

use ringmain::model::error_code::ErrorCode;
use ringmain::rt;
use ringmain::wire::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ringmain::wire::messages::delete_topics::{DeleteTopics, DeleteTopicsRequest};
use ringmain::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigs, IncrementalAlterConfigsRequest,
};
use ringmain::wire::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};

use crate::caller::Caller;
use crate::guide::{Guide, is_passing};

const PAUSE: Duration = Duration::from_millis(20);

impl Guide {
    /// The offset of `list_offsets::EARLIEST` or another of its names.
    pub async fn offset(&self, topic: &str, which: i64) -> i64 {
        loop {
            if let Ok((ErrorCode::NONE, offset)) = self.try_offset(topic, which).await {
                return offset;
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// Of the first partition.
    pub async fn try_offset(&self, topic: &str, which: i64) -> io::Result<(ErrorCode, i64)> {
        let mut caller = self.reach(topic, 0).await;
        let partition = ListOffsetsPartition { timestamp: which, ..Default::default() };
        let topic = ListOffsetsTopic { name: topic, partitions: vec![partition] };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        caller
            .call::<ListOffsets, _>(2, &request, |answer| {
                let partition = &answer.topics[0].partitions[0];
                (partition.error_code, partition.offset)
            })
            .await
    }

    /// Gives up the records of the first partition below `offset`.
    pub async fn delete_records(&self, topic: &str, offset: i64) {
        loop {
            let mut caller = self.reach(topic, 0).await;
            let partition = DeleteRecordsPartition { partition_index: 0, offset };
            let topic = DeleteRecordsTopic { name: topic, partitions: vec![partition] };
            let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 10_000 };
            let code = caller.call::<DeleteRecords, _>(1, &request, |answer| {
                answer.topics[0].partitions[0].error_code
            });
            match code.await {
                Ok(ErrorCode::NONE) => return,
                Ok(error) => assert!(is_passing(error), "deleting records: {error:?}"),
                Err(_) => {}
            }
            rt::sleep(PAUSE).await;
        }
    }

    /// Sets something for all brokers, online.
    pub async fn set(&self, name: &str, value: &str) {
        const BROKER: i8 = 4;
        const SET: i8 = 0;
        loop {
            if let Ok(mut caller) = Caller::connect(self.bootstrap).await {
                let value = Some(value);
                let config = AlterableConfig { name, config_operation: SET, value };
                let configs = vec![config];
                let resource =
                    AlterConfigsResource { resource_type: BROKER, resource_name: "", configs };
                let request = IncrementalAlterConfigsRequest {
                    resources: vec![resource],
                    validate_only: false,
                };
                let code = caller.call::<IncrementalAlterConfigs, _>(1, &request, |answer| {
                    answer.responses[0].error_code
                });
                match code.await {
                    Ok(ErrorCode::NONE) => return,
                    Ok(error) => assert!(is_passing(error), "setting {name}: {error:?}"),
                    Err(_) => {}
                }
            }
            rt::sleep(PAUSE).await;
        }
    }

    pub async fn delete_topic(&self, name: &str) {
        loop {
            if let Ok(mut caller) = Caller::connect(self.bootstrap).await {
                let topic_names = vec![name];
                let request =
                    DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..Default::default() };
                let code = caller
                    .call::<DeleteTopics, _>(5, &request, |answer| answer.responses[0].error_code);
                match code.await {
                    // Gone already: an earlier attempt succeeded and its answer was lost.
                    Ok(ErrorCode::NONE | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => return,
                    Ok(error) => assert!(is_passing(error), "deleting {name}: {error:?}"),
                    Err(_) => {}
                }
            }
            rt::sleep(PAUSE).await;
        }
    }
}
