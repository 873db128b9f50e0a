//! Requests and what is decided on them, each as one line.

use super::*;
use crate::base::prng::Prng;
use crate::cluster::{Change, ClusterImage, Command, Lanes, Node};
use crate::config::broker::LaneCount;
use crate::config::limits::{
    CONFIG_BYTES_MAX, PARTITIONS_CREATED_PER_REQUEST_MAX, PRODUCER_ID_BLOCK_LEN,
};
use crate::config::{BrokerSettings, Overrides};
use crate::model::{BrokerId, NodeId, PartitionId, TopicId};

fn register(image: &mut ClusterImage, id: i32) {
    let (id, cores) = (NodeId(id), 4);
    let lanes = Lanes::plan(id, cores, LaneCount::UpTo(2), 9092).expect("good lanes");
    let lanes = lanes.advertised("host");
    image.apply(&Command::RegisterNode(Node { id, rack: None, cores, lanes }));
}

/// One host: node 1, brokers 1000 and 1001, four cores.
fn one_host() -> ClusterImage {
    let mut image = ClusterImage::default();
    register(&mut image, 1);
    image
}

fn with_topics(names: &[&str]) -> ClusterImage {
    let mut image = one_host();
    let topics: Vec<NewTopic> = names.iter().map(|&name| NewTopic::named(name)).collect();
    for created in create(&image.clone(), &topics) {
        image.apply(&created.expect("a good topic").command);
    }
    image
}

fn create(image: &ClusterImage, topics: &[NewTopic]) -> Vec<Result<CreatedTopic, Refusal>> {
    create_topics(image, &BrokerSettings::default(), topics, &mut Prng::new(1))
}

fn fixed(pairs: &[(&str, &str)]) -> BrokerSettings {
    BrokerSettings { fixed: overrides(pairs), ..BrokerSettings::default() }
}

fn overrides(pairs: &[(&str, &str)]) -> Overrides {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn refused<T: std::fmt::Debug>(result: &Result<T, Refusal>) -> String {
    result.as_ref().expect_err("a refusal").to_string()
}

#[test]
fn a_topic_is_refused_for_what_is_wrong_with_it() {
    let image = with_topics(&["taken", "a.b"]);
    let check = |change: &dyn Fn(&mut NewTopic), expect: &str| {
        let mut topic = NewTopic::named("new");
        change(&mut topic);
        let results = create(&image, std::slice::from_ref(&topic));
        assert_eq!(refused(&results[0]), expect, "{topic:?}");
    };
    check(&|t| t.name = "taken".into(), "TOPIC_ALREADY_EXISTS: topic taken exists");
    check(&|t| t.name.clear(), "INVALID_TOPIC_EXCEPTION: a topic name is not empty");
    check(
        &|t| t.name = "a_b".into(),
        "INVALID_TOPIC_EXCEPTION: topic a_b collides with a.b: names must not differ in '.' and \
         '_' alone",
    );
    check(
        &|t| t.partitions = 0,
        "INVALID_PARTITIONS: a topic has at least one partition, or -1 for the broker's default",
    );
    check(
        &|t| t.partitions = 10_001,
        "POLICY_VIOLATION: a request may make 10000 partitions, this one asks for more",
    );
    check(
        &|t| t.replication_factor = 2,
        "INVALID_REPLICATION_FACTOR: a replication factor of 2 needs as many hosts, and 1 are \
         registered",
    );
    for factor in [0, -2, 17] {
        check(
            &|t| t.replication_factor = factor,
            "INVALID_REPLICATION_FACTOR: a replication factor is from 1 to 16, or -1 for the \
             broker's default",
        );
    }
    check(
        &|t| t.configs = vec![("retention.m".into(), Some("1".into()))],
        "INVALID_CONFIG: unknown setting retention.m; did you mean retention.ms?",
    );
    check(
        &|t| t.configs = vec![("retention.ms".into(), Some("-2".into()))],
        "INVALID_CONFIG: retention.ms = \"-2\": must be a whole number from -1",
    );
    check(
        &|t| t.configs = vec![("retention.ms".into(), None)],
        "INVALID_CONFIG: retention.ms has no value",
    );
    check(
        &|t| {
            t.configs = vec![
                ("max.compaction.lag.ms".into(), Some("1".into())),
                ("min.compaction.lag.ms".into(), Some("2".into())),
            ]
        },
        "INVALID_CONFIG: min.compaction.lag.ms (2) is greater than max.compaction.lag.ms (1)",
    );
}

#[test]
fn assigned_replicas_are_judged() {
    let image = one_host();
    let check = |assignments: &[(i32, &[i32])], expect: &str| {
        let mut topic = NewTopic::named("new");
        let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        topic.assignments = assignments.iter().map(|&(at, ids)| (at, brokers(ids))).collect();
        assert_eq!(refused(&create(&image, &[topic])[0]), expect);
    };
    let code = "INVALID_REPLICA_ASSIGNMENT: ";
    let numbers = "assigned partitions are numbered from 0 on, each once";
    check(&[(1, &[1000])], &format!("{code}{numbers}"));
    check(&[(0, &[1000]), (0, &[1000])], &format!("{code}{numbers}"));
    check(&[(0, &[])], &format!("{code}partition 0 is assigned to no broker"));
    check(&[(0, &[1002])], &format!("{code}partition 0: broker 1002 is not registered"));
    check(
        &[(0, &[1000, 1001])],
        &format!("{code}partition 0 is assigned to host 1 twice; its brokers are lanes of it"),
    );
    let uneven: &[(i32, &[i32])] = &[(0, &[1000]), (1, &[])];
    check(uneven, &format!("{code}every partition must have as many replicas as the first"));
    for (partitions, factor) in [(1, -1), (-1, 1)] {
        let mut topic = NewTopic::named("new");
        (topic.partitions, topic.replication_factor) = (partitions, factor);
        topic.assignments = vec![(0, vec![BrokerId(1000)])];
        assert!(refused(&create(&image, &[topic])[0]).starts_with("INVALID_REQUEST: the "));
    }
}

#[test]
fn an_assigned_partition_lands_on_a_core_of_its_lane() {
    let mut image = one_host();
    let mut topic = NewTopic::named("new");
    topic.assignments = [1001, 1000, 1001, 1001]
        .into_iter()
        .enumerate()
        .map(|(at, broker)| (at as i32, vec![BrokerId(broker)]))
        .collect();
    let created = create(&image, &[topic]).remove(0).expect("good");
    assert_eq!((created.partitions, created.replication_factor), (4, 1));
    image.apply(&created.command);
    let topic = image.topic("new").expect("created");
    let leader = |at: i32| image.leader_broker(topic.partition(PartitionId(at)).unwrap());
    assert_eq!(leader(0), Some(BrokerId(1001)));
    assert_eq!(leader(1), Some(BrokerId(1000)));
    let core = |at: usize| topic.partitions[at].core_on(NodeId(1)).unwrap().0;
    assert_ne!(core(0), core(2), "the lane's cores take turns");
    assert!([0, 2, 3].iter().all(|&at| core(at) % 2 == 1) && core(1) % 2 == 0);
}

#[test]
fn defaults_come_from_the_settings() {
    let settings = fixed(&[("num.partitions", "6")]);
    let mut results =
        create_topics(&one_host(), &settings, &[NewTopic::named("a")], &mut Prng::new(1));
    let created = results.remove(0).expect("good");
    assert_eq!((created.partitions, created.replication_factor), (6, 1));
    let settings = fixed(&[("default.replication.factor", "3")]);
    let results = create_topics(&one_host(), &settings, &[NewTopic::named("a")], &mut Prng::new(1));
    assert!(refused(&results[0]).starts_with("INVALID_REPLICATION_FACTOR"));
}

#[test]
fn topics_of_one_request_see_one_another() {
    let sized = |name: &str, partitions| NewTopic { partitions, ..NewTopic::named(name) };
    let most = PARTITIONS_CREATED_PER_REQUEST_MAX as i32;
    let topics = [
        sized("twice", 1),
        sized("a.b", 1),
        sized("twice", 1),
        sized("a_b", 1),
        sized("large", most),
        sized("rest", most - 1),
        sized("more", 1),
    ];
    let results = create(&one_host(), &topics);
    for at in [0, 2] {
        let expect = "INVALID_REQUEST: the request names topic twice more than once";
        assert_eq!(refused(&results[at]), expect);
    }
    assert!(refused(&results[3]).contains("collides with a.b"));
    for at in [4, 6] {
        assert!(refused(&results[at]).starts_with("POLICY_VIOLATION: a request may make"));
    }
    assert!(results[1].is_ok() && results[5].is_ok());
}

#[test]
fn a_refused_topic_weighs_nothing() {
    let mut wrong = NewTopic::named("wrong");
    wrong.assignments = vec![(0, vec![BrokerId(1000)]), (1, vec![BrokerId(7)])];
    let mut right = NewTopic::named("right");
    // The first lane's two cores, and then one of them again.
    right.assignments = (0..2).map(|at| (at, vec![BrokerId(1000)])).collect();
    let results = create(&one_host(), &[wrong, right]);
    assert!(results[0].is_err());
    let Command::CreateTopic { partitions, .. } = &results[1].as_ref().expect("good").command
    else {
        panic!("a topic is created by CreateTopic");
    };
    assert_ne!(partitions[0][0].core, partitions[1][0].core);
}

#[test]
fn two_hosts_can_hold_two_replicas() {
    let mut image = one_host();
    register(&mut image, 2);
    let topic = NewTopic { partitions: 4, replication_factor: 2, ..NewTopic::named("a") };
    let created = create(&image, &[topic]).remove(0).expect("good");
    image.apply(&created.command);
    let topic = image.topic("a").expect("created");
    let leaders: Vec<i32> = topic.partitions.iter().map(|partition| partition.leader.0).collect();
    assert_eq!(leaders.iter().filter(|&&leader| leader == 1).count(), 2, "{leaders:?}");
    assert!(topic.partitions.iter().all(|partition| partition.replicas.len() == 2));
    assert_eq!(image.replica_brokers(&topic.partitions[0]).len(), 2);
}

#[test]
fn topics_are_deleted_by_name_and_id() {
    let image = with_topics(&["a", "b", "c"]);
    let id = |name: &str| image.topic(name).expect(name).id;
    let name = |name: &str| TopicRef::Name(name.to_owned());
    let ghost = TopicRef::Id(TopicId([9; 16]));
    let topics =
        [name("a"), name("b"), name("x"), ghost, TopicRef::Id(id("b")), name("y"), name("y")];
    let results = delete_topics(&image, &BrokerSettings::default(), &topics);
    assert_eq!(results[0], Ok(Command::DeleteTopic { id: id("a") }));
    assert_eq!(refused(&results[1]), "INVALID_REQUEST: the request names topic b more than once");
    assert_eq!(refused(&results[2]), "UNKNOWN_TOPIC_OR_PARTITION: there is no topic x");
    assert!(refused(&results[3]).starts_with("UNKNOWN_TOPIC_ID: there is no topic "));
    assert!(refused(&results[4]).starts_with("INVALID_REQUEST"));
    for result in &results[5..] {
        assert_eq!(refused(result), "INVALID_REQUEST: the request names topic y more than once");
    }
    let settings = fixed(&[("delete.topic.enable", "false")]);
    let results = delete_topics(&image, &settings, &[name("a")]);
    assert!(refused(&results[0]).starts_with("TOPIC_DELETION_DISABLED"));
}

#[test]
fn partitions_are_added_and_nothing_else() {
    let mut image = with_topics(&["a", "b"]);
    let more = |topic: &str, count, assignments: Option<&[&[i32]]>| MorePartitions {
        topic: topic.to_owned(),
        count,
        assignments: assignments.map(|each| {
            each.iter().map(|ids| ids.iter().copied().map(BrokerId).collect()).collect()
        }),
    };
    let check = |more: MorePartitions, expect: &str| {
        assert_eq!(refused(&create_partitions(&image, &[more])[0]), expect);
    };
    check(more("x", 2, None), "UNKNOWN_TOPIC_OR_PARTITION: there is no topic x");
    for count in [i32::MIN, 0, 1, 10_001] {
        let expect = format!(
            "INVALID_PARTITIONS: topic a has 1 partitions; it can have more, up to 10000, and not \
             {count}"
        );
        check(more("a", count, None), &expect);
    }
    let code = "INVALID_REPLICA_ASSIGNMENT: ";
    let one: &[&[i32]] = &[&[1000]];
    check(more("a", 3, Some(one)), &format!("{code}2 partitions are new, 1 are assigned"));
    let two: &[&[i32]] = &[&[1000, 1001]];
    check(more("a", 2, Some(two)), &format!("{code}every partition of the topic has 1 replicas"));
    let ghost: &[&[i32]] = &[&[7]];
    check(more("a", 2, Some(ghost)), &format!("{code}partition 1: broker 7 is not registered"));

    let results = create_partitions(&image, &[more("a", 4, None), more("b", 2, Some(one))]);
    for command in results {
        assert!(!image.apply(&command.expect("good")).is_empty());
    }
    assert_eq!(image.topic("a").unwrap().partitions.len(), 4);
    let b = image.topic("b").unwrap();
    assert_eq!(image.leader_broker(&b.partitions[1]), Some(BrokerId(1000)));
    let twice = create_partitions(&image, &[more("a", 5, None), more("a", 5, None)]);
    assert!(twice.iter().all(|result| refused(result).starts_with("INVALID_REQUEST")));
}

fn edit(key: &str, kind: EditKind, value: Option<&str>) -> Edit {
    Edit { key: key.to_owned(), kind, value: value.map(str::to_owned) }
}

#[test]
fn edits_add_up() {
    let mut image = with_topics(&["a"]);
    let settings = fixed(&[("log.cleanup.policy", "compact")]);
    let mut check = |edits: Vec<Edit>, expect: &[(&str, &str)]| {
        let resource = Resource::Topic("a".into());
        let mut results =
            incremental_alter_configs(&image, &settings, &[Edits { resource, edits }]);
        let command = results.remove(0).expect("good");
        let before = image.topic("a").unwrap().configs.clone();
        assert_eq!(command.is_none(), before == overrides(expect), "a change has a command");
        if let Some(command) = command {
            assert!(matches!(image.apply(&command).changes[..], [Change::TopicConfigsChanged(_)]));
        }
        assert_eq!(image.topic("a").unwrap().configs, overrides(expect));
    };
    use EditKind::{Append, Delete, Set, Subtract};
    check(vec![edit("retention.ms", Set, Some("5"))], &[("retention.ms", "5")]);
    check(vec![edit("retention.ms", Set, Some("5"))], &[("retention.ms", "5")]);
    check(vec![edit("retention.ms", Delete, None), edit("unknown", Delete, None)], &[]);
    // What is appended to is what holds, though the topic did not set it.
    let both = [("cleanup.policy", "compact,delete")];
    check(vec![edit("cleanup.policy", Append, Some("delete"))], &both);
    check(vec![edit("cleanup.policy", Append, Some("delete,compact"))], &both);
    let one = [("cleanup.policy", "delete")];
    check(vec![edit("cleanup.policy", Subtract, Some("compact, none"))], &one);
}

#[test]
fn edits_are_refused_for_what_is_wrong_with_them() {
    let image = with_topics(&["a"]);
    let topic = || Resource::Topic("a".into());
    let settings = BrokerSettings::default();
    let check = |resource: Resource, edits: Vec<Edit>, expect: &str| {
        let results = incremental_alter_configs(&image, &settings, &[Edits { resource, edits }]);
        assert_eq!(refused(&results[0]), expect);
    };
    use EditKind::{Append, Set};
    let unknown = "UNKNOWN_TOPIC_OR_PARTITION: there is no topic x";
    check(Resource::Topic("x".into()), Vec::new(), unknown);
    let unregistered = "INVALID_REQUEST: broker 7 is not registered";
    check(Resource::Broker(BrokerId(7)), Vec::new(), unregistered);
    let null = "INVALID_REQUEST: retention.ms has no value";
    check(topic(), vec![edit("retention.ms", Set, None)], null);
    let set = || edit("retention.ms", Set, Some("1"));
    let twice = "INVALID_REQUEST: the request names retention.ms more than once";
    check(topic(), vec![set(), set()], twice);
    let list = "INVALID_CONFIG: retention.ms is no list: nothing can be added or taken out";
    check(topic(), vec![edit("retention.ms", Append, Some("1"))], list);
    let item = "INVALID_CONFIG: cleanup.policy = \"delete,shred\": must be any of compact, delete, \
                separated by commas";
    check(topic(), vec![edit("cleanup.policy", Append, Some("shred"))], item);
    let restart = "INVALID_REQUEST: node.id cannot be changed online, only at the next start";
    check(Resource::AllBrokers, vec![edit("node.id", Set, Some("2"))], restart);
    let wrong = "INVALID_CONFIG: num.partitions = \"x\": must be a whole number from 1 to 10000";
    check(Resource::AllBrokers, vec![edit("num.partitions", Set, Some("x"))], wrong);
    let repeated = [topic(), topic()].map(|resource| Edits { resource, edits: Vec::new() });
    for result in incremental_alter_configs(&image, &settings, &repeated) {
        let expect = "INVALID_REQUEST: each resource may stand in a request once";
        assert_eq!(refused(&result), expect);
    }
    assert_eq!(EditKind::from_code(3), Some(EditKind::Subtract));
    assert_eq!((EditKind::from_code(4), EditKind::from_code(-1)), (None, None));
}

#[test]
fn a_replacement_forgets_what_it_does_not_name() {
    let mut image = with_topics(&["a"]);
    let settings = BrokerSettings::default();
    let mut check = |resource: Resource, configs: &[(&str, &str)]| {
        let given = configs.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned())));
        let replacement = Replacement { resource, configs: given.collect() };
        let mut results = alter_configs(&image, &settings, &[replacement]);
        if let Some(command) = results.remove(0).expect("good") {
            assert!(!image.apply(&command).is_empty());
        }
        image.clone()
    };
    check(Resource::Topic("a".into()), &[("retention.ms", "1"), ("segment.ms", "2")]);
    let image = check(Resource::Topic("a".into()), &[("segment.ms", "3")]);
    assert_eq!(image.topic("a").unwrap().configs, overrides(&[("segment.ms", "3")]));
    // Either lane stands for the host.
    check(Resource::Broker(BrokerId(1001)), &[("num.partitions", "3")]);
    let image = check(Resource::Broker(BrokerId(1000)), &[("log.retention.ms", "4")]);
    assert_eq!(*image.node_configs(NodeId(1)), overrides(&[("log.retention.ms", "4")]));
    let image = check(Resource::AllBrokers, &[("num.partitions", "5")]);
    assert_eq!(*image.cluster_configs(), overrides(&[("num.partitions", "5")]));
    let settings = image.settings(NodeId(1), overrides(&[("node.id", "1")]));
    let config = crate::config::BrokerConfig::resolve(&settings);
    assert_eq!(config.num_partitions, 5);
}

#[test]
fn producer_ids_come_in_blocks_that_do_not_overlap() {
    let mut image = one_host();
    for block in 0..3 {
        let command = allocate_producer_ids(&image, NodeId(1)).expect("there are plenty");
        let first = block * i64::from(PRODUCER_ID_BLOCK_LEN);
        let count = PRODUCER_ID_BLOCK_LEN;
        assert_eq!(command, Command::AllocateProducerIds { node: NodeId(1), first, count });
        assert!(!image.apply(&command).is_empty());
        assert!(image.apply(&command).is_empty(), "the same block is not given twice");
    }
    let last = i64::MAX - i64::from(PRODUCER_ID_BLOCK_LEN) + 1;
    image.next_producer_id = last;
    assert!(allocate_producer_ids(&image, NodeId(1)).is_err());
}

#[test]
fn settings_have_a_bound_all_together() {
    let mut image = with_topics(&["a", "b", "c"]);
    let settings = BrokerSettings::default();
    let key = "leader.replication.throttled.replicas";
    let list = "9".repeat(30_000);
    let edits = |topic: &str, list: &str| Edits {
        resource: Resource::Topic(topic.to_owned()),
        edits: vec![edit(key, EditKind::Set, Some(list))],
    };
    for list in [list.as_str(), "1:1", &list] {
        for command in incremental_alter_configs(&image, &settings, &[edits("a", list)]) {
            image.apply(&command.expect("good").expect("a change"));
            assert_eq!(image.config_bytes(), key.len() + list.len());
        }
    }
    // Room for one more list, and not for two.
    let filler = CONFIG_BYTES_MAX - image.config_bytes() - list.len() - 100;
    let configs = Overrides::from([(String::new(), "x".repeat(filler))]);
    image.apply(&Command::SetBrokerConfigs { node: None, configs });
    let expect = "POLICY_VIOLATION: all settings together may have 134217728 bytes, no more";
    let both = [edits("b", &list), edits("c", &list)];
    let results = incremental_alter_configs(&image, &settings, &both);
    assert!(results[0].is_ok());
    assert_eq!(refused(&results[1]), expect);
    let topic = |name: &str| NewTopic {
        configs: vec![(key.to_owned(), Some(list.clone()))],
        ..NewTopic::named(name)
    };
    let results = create(&image, &[topic("d"), topic("e")]);
    assert!(results[0].is_ok());
    assert_eq!(refused(&results[1]), expect);
}
