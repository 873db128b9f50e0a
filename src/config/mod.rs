//! Settings: each is declared once, in [`topic`], [`group`] or [`broker`]. From the declaration come the
//! typed struct, the checking of values, the answer to DescribeConfigs and `docs/config.md`.
//!
//! Values travel as text, as Kafka's tools send them, in [`Overrides`]; layers of them make up
//! [`BrokerSettings`]. Nothing here reads a file: callers bring its text.

pub mod broker;
pub mod choice;
pub mod describe;
pub mod doc;
pub mod file;
pub mod group;
mod invalid;
pub mod limits;
mod nearest;
mod property;
pub mod settings;
mod table;
pub mod topic;
mod value;

pub use broker::BrokerConfig;
pub use group::GroupConfig;
pub use invalid::Invalid;
pub use property::{Effect, Fallback, Importance, Kind, Property, Range};
pub use settings::{BrokerSettings, Source};
pub use table::Table;
pub use topic::TopicConfig;

/// What was set, by name; what is absent has its default.
pub type Overrides = std::collections::BTreeMap<String, String>;
