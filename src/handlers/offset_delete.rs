//! OffsetDelete: takes back what a group has committed for topics that it does not read (KIP-496).

use super::Cx;
use super::groups::UNEXPECTED;
use super::reply::Reply;
use crate::coordinator::group::{Answer, Ask};
use crate::model::error_code::ErrorCode;
use crate::wire::messages::offset_delete::{
    OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

pub async fn handle(cx: &Cx<'_>, request: OffsetDeleteRequest<'_>) -> Reply {
    let mut codes: Vec<Vec<ErrorCode>> = Vec::with_capacity(request.topics.len());
    let mut asked = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let place = cx.shard().topic(topic.name);
        let is_known = |index: i32| place.as_ref().is_some_and(|p| p.partition(index).is_some());
        let code = |known: bool| match known {
            true => ErrorCode::NONE,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let partitions = topic.partitions.iter().map(|one| one.partition_index);
        codes.push(partitions.clone().map(|index| code(is_known(index))).collect());
        let known: Vec<i32> = partitions.filter(|&index| is_known(index)).collect();
        asked.push((topic.name.to_owned(), known));
    }
    let told = match cx.ask_group(request.group_id, Ask::DeleteOffsets(asked)).await {
        Ok(Answer::OffsetsDeleted(ErrorCode::NONE, told)) => Ok(told),
        Ok(Answer::OffsetsDeleted(error, _)) | Err(error) => Err(error),
        Ok(_) => Err(UNEXPECTED),
    };
    let told = match told {
        Ok(told) => told,
        Err(error_code) => {
            let response = OffsetDeleteResponse { error_code, ..Default::default() };
            return cx.reply::<OffsetDelete>(&response);
        }
    };
    let mut told = told.into_iter().flatten();
    for code in codes.iter_mut().flatten().filter(|code| **code == ErrorCode::NONE) {
        *code = told.next().unwrap_or(UNEXPECTED);
    }
    let topics = request.topics.iter().zip(codes).map(|(topic, codes)| OffsetDeleteResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .zip(codes)
            .map(|(one, error_code)| OffsetDeleteResponsePartition {
                partition_index: one.partition_index,
                error_code,
            })
            .collect(),
    });
    let response = OffsetDeleteResponse { topics: topics.collect(), ..Default::default() };
    cx.reply::<OffsetDelete>(&response)
}
