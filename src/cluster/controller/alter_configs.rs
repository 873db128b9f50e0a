//! AlterConfigs, which replaces all that a resource sets, and IncrementalAlterConfigs, which edits
//! it.
//!
//! A broker is a lane of a host, and a host is one process: what is set for any of its lanes holds
//! for the host.

use std::collections::BTreeSet;

use super::{Refusal, check_config_bytes, repeated};
use crate::cluster::{ClusterImage, Command};
use crate::config::{
    BrokerSettings, Effect, GroupConfig, Overrides, Property, Table, TopicConfig, broker, group,
    topic,
};
use crate::model::topic_name::{self, InvalidName};
use crate::model::{BrokerId, ErrorCode, NodeId, TopicId};

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Topic(String),
    Broker(BrokerId),
    AllBrokers,
    /// A consumer group, which need not be there yet.
    Group(String),
}

/// All that a resource is to set from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub resource: Resource,
    pub configs: Vec<(String, Option<String>)>,
}

/// Changes of single settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    pub resource: Resource,
    pub edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub key: String,
    pub kind: EditKind,
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditKind {
    Set,
    /// Back to what holds without it.
    Delete,
    /// Adds items to a list.
    Append,
    /// Takes items out of a list.
    Subtract,
}

impl EditKind {
    /// By Kafka's number.
    pub fn from_code(code: i8) -> Option<EditKind> {
        [EditKind::Set, EditKind::Delete, EditKind::Append, EditKind::Subtract]
            .get(usize::try_from(code).ok()?)
            .copied()
    }
}

/// Decides on each resource; the answers stand in the same order. `None`: nothing changes.
pub fn alter_configs(
    image: &ClusterImage,
    settings: &BrokerSettings,
    requested: &[Replacement],
) -> Vec<Result<Option<Command>, Refusal>> {
    let resources: Vec<&Resource> = requested.iter().map(|one| &one.resource).collect();
    let repeated = repeated(&resources);
    let mut image = image.clone();
    let decide = |replacement: &Replacement| {
        let target = Target::find(&image, settings, &replacement.resource, &repeated)?;
        let mut configs = Overrides::new();
        for (key, value) in &replacement.configs {
            let value = value.as_ref().ok_or_else(|| no_value(key))?;
            if configs.insert(key.clone(), value.clone()).is_some() {
                return Err(twice(key));
            }
        }
        let command = target.replace_with(configs)?;
        command.iter().for_each(|command| drop(image.apply(command)));
        Ok(command)
    };
    requested.iter().map(decide).collect()
}

/// Decides on each resource; the answers stand in the same order. `None`: nothing changes.
pub fn incremental_alter_configs(
    image: &ClusterImage,
    settings: &BrokerSettings,
    requested: &[Edits],
) -> Vec<Result<Option<Command>, Refusal>> {
    let resources: Vec<&Resource> = requested.iter().map(|one| &one.resource).collect();
    let repeated = repeated(&resources);
    let mut image = image.clone();
    let decide = |edits: &Edits| {
        let target = Target::find(&image, settings, &edits.resource, &repeated)?;
        let mut configs = target.present.clone();
        let mut seen = BTreeSet::new();
        for edit in &edits.edits {
            if !seen.insert(&edit.key) {
                return Err(twice(&edit.key));
            }
            target.edit(&mut configs, edit)?;
        }
        let command = target.replace_with(configs)?;
        command.iter().for_each(|command| drop(image.apply(command)));
        Ok(command)
    };
    requested.iter().map(decide).collect()
}

fn no_value(key: &str) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, format!("{key} has no value"))
}

fn twice(key: &str) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, format!("the request names {key} more than once"))
}

/// A resource that exists, and what it sets now.
struct Target<'a> {
    image: &'a ClusterImage,
    scope: Scope,
    present: &'a Overrides,
    settings: &'a BrokerSettings,
}

enum Scope {
    Topic(TopicId),
    Broker(Option<NodeId>),
    Group(String),
}

impl<'a> Target<'a> {
    fn find(
        image: &'a ClusterImage,
        settings: &'a BrokerSettings,
        resource: &Resource,
        repeated: &BTreeSet<&&Resource>,
    ) -> Result<Target<'a>, Refusal> {
        if repeated.contains(&resource) {
            let message = "each resource may stand in a request once";
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let (scope, present) = match resource {
            Resource::Topic(name) => {
                check_name(name)?;
                let topic = image.topic(name).ok_or_else(|| {
                    let message = format!("there is no topic {name}");
                    Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message)
                })?;
                (Scope::Topic(topic.id), &topic.configs)
            }
            Resource::Broker(id) => {
                let (node, _) = image.broker(*id).ok_or_else(|| {
                    let message = format!("broker {id} is not registered");
                    Refusal::new(ErrorCode::INVALID_REQUEST, message)
                })?;
                (Scope::Broker(Some(node.id)), image.node_configs(node.id))
            }
            Resource::AllBrokers => (Scope::Broker(None), image.cluster_configs()),
            Resource::Group(name) if name.is_empty() => {
                let message = "Default group resources are not allowed.";
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
            Resource::Group(name) => {
                let present = image.group_configs(name).unwrap_or(const { &Overrides::new() });
                (Scope::Group(name.clone()), present)
            }
        };
        Ok(Target { image, scope, present, settings })
    }

    fn table(&self) -> &'static Table {
        match self.scope {
            Scope::Topic(_) => &topic::TABLE,
            Scope::Broker(_) => &broker::TABLE,
            Scope::Group(_) => &group::TABLE,
        }
    }

    fn edit(&self, configs: &mut Overrides, edit: &Edit) -> Result<(), Refusal> {
        let Edit { key, kind, value } = edit;
        if *kind == EditKind::Delete {
            // Deleting something unknown does nothing, so what a newer broker left can be removed.
            configs.remove(key);
            return Ok(());
        }
        let value = value.as_ref().ok_or_else(|| no_value(key))?;
        if *kind == EditKind::Set {
            configs.insert(key.clone(), value.clone());
            return Ok(());
        }
        let property = self.table().find(key)?;
        if !property.kind.is_list() {
            let message = format!("{key} is no list: nothing can be added or taken out");
            return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
        }
        let present = configs.get(key).cloned().or_else(|| self.beneath(property));
        let mut items = items(present.as_deref().unwrap_or(""));
        for item in self::items(value) {
            let at = items.iter().position(|present| *present == item);
            match (kind, at) {
                (EditKind::Append, None) => items.push(item),
                (EditKind::Subtract, Some(at)) => {
                    items.remove(at);
                }
                _ => {}
            }
        }
        configs.insert(key.clone(), items.join(","));
        Ok(())
    }

    /// What holds where the resource itself says nothing.
    fn beneath(&self, property: &Property) -> Option<String> {
        let nothing = Overrides::new();
        let value = match self.scope {
            Scope::Topic(_) | Scope::Group(_) => self.settings.topic_value(property, &nothing),
            Scope::Broker(_) => self.settings.value(property),
        };
        value.map(|value| value.into_owned())
    }

    /// Judges everything that the resource would set.
    fn replace_with(&self, configs: Overrides) -> Result<Option<Command>, Refusal> {
        match &self.scope {
            Scope::Topic(_) => TopicConfig::validate(&configs, self.settings)?,
            Scope::Broker(node) => self.check_broker(*node, &configs)?,
            Scope::Group(_) => GroupConfig::validate(&configs, self.settings)?,
        }
        if configs == *self.present {
            return Ok(None);
        }
        check_config_bytes(self.image, &configs)?;
        Ok(Some(match &self.scope {
            &Scope::Topic(id) => Command::SetTopicConfigs { id, configs },
            &Scope::Broker(node) => Command::SetBrokerConfigs { node, configs },
            Scope::Group(group) => Command::SetGroupConfigs { group: group.clone(), configs },
        }))
    }

    fn check_broker(&self, node: Option<NodeId>, configs: &Overrides) -> Result<(), Refusal> {
        for key in configs.keys() {
            if broker::TABLE.find(key)?.effect == Effect::Restart {
                let message = format!("{key} cannot be changed online, only at the next start");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        }
        let mut settings = self.settings.clone();
        match node {
            Some(_) => settings.broker = configs.clone(),
            None => settings.cluster = configs.clone(),
        }
        Ok(settings.validate()?)
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    topic_name::validate(name).map_err(|fault| {
        let code = match fault {
            // Brokers have defaults under the empty name, topics have not.
            InvalidName::Empty => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        Refusal::new(code, fault.to_string())
    })
}

fn items(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
