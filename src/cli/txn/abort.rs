//! `ringmain txn abort`: writes the marker that a coordinator would have written.

use std::rc::Rc;

use clap::Args;

use super::producers;
use crate::cli::cluster::ClusterArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::client::{Cluster, Error};
use crate::wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkers, WriteTxnMarkersRequest,
};

const EXAMPLES: &str = "\x1b[1;32mExamples:\x1b[0m
  ringmain txn abort --topic orders --partition 3 --start-offset 1042

For what `ringmain txn find-hanging` shows. A transaction whose coordinator knows of it ends by
itself; aborted here, it loses what it wrote to this partition, and commits the rest.";

#[derive(Args)]
#[command(about = "End a transaction in one partition by force", after_help = EXAMPLES)]
pub struct Abort {
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    #[arg(long, value_name = "NUMBER")]
    partition: i32,
    /// Where the transaction began in the partition
    #[arg(long, value_name = "OFFSET")]
    start_offset: i64,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub fn run(args: Abort) -> Result<(), Failure> {
    let output = Output::standard()?;
    let cluster = args.cluster.clone();
    cluster.run(move |cluster| abort(cluster, args, output))
}

async fn abort(cluster: Rc<Cluster>, args: Abort, mut output: Output) -> Result<(), Failure> {
    let Abort { topic, partition, start_offset, .. } = &args;
    let places = producers::places(&cluster, Some(topic), Some(*partition)).await?;
    let open = producers::open(&cluster, &places).await?;
    let Some(found) = open.iter().find(|it| it.start_offset == *start_offset) else {
        return Err(Failure::Told(format!(
            "no transaction is under way in {topic}-{partition} since offset {start_offset} \
             (`ringmain txn find-hanging --topic {topic} --older-than 0` shows those that hang)"
        )));
    };
    let epoch = i16::try_from(found.producer_epoch)
        .map_err(|_| format!("{} is no producer epoch", found.producer_epoch))?;
    let request = WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: found.producer_id,
            producer_epoch: epoch,
            transaction_result: false,
            topics: vec![WritableTxnMarkerTopic {
                name: topic,
                partition_indexes: vec![*partition],
            }],
            // Before the first marker of a producer its coordinator is not known.
            coordinator_epoch: found.coordinator_epoch.max(0),
            // By the rules of old: the epoch stays.
            transaction_version: 0,
        }],
    };
    let answer = cluster.broker(found.leader).await?.call::<WriteTxnMarkers>(&request).await?;
    let response = answer.decode()?;
    let codes = response.markers.iter().flat_map(|marker| &marker.topics);
    let codes = codes.flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    if let Some(code) = codes.into_iter().find(|code| !code.is_none()) {
        return Err(Error::refused(format!("{topic}-{partition}"), code, None).into());
    }
    output.line(&format!(
        "transaction of producer {} in {topic}-{partition} since offset {start_offset} aborted",
        found.producer_id
    ));
    output.flush().await
}
