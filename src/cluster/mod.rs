//! The cluster's metadata as rules: what exists ([`image`]), how it changes ([`command`], applied
//! by the image), which changes a request leads to ([`controller`], [`placement`], [`lanes`]), on which
//! of a host's disks partitions lie ([`directories`]), and
//! how both are written down ([`journal`], [`snapshot`]).
//!
//! No I/O, no clock, no hashing by chance: the same commands give the same image everywhere, live
//! and on replay. A core holds an `Arc<ClusterImage>` and gets the next one with a [`Delta`].

pub mod command;
pub mod controller;
mod delta;
pub mod directories;
mod frame;
pub mod image;
pub mod journal;
pub mod lanes;
pub mod placement;
mod shared_map;
pub mod snapshot;
mod topics;

#[cfg(test)]
mod properties;

pub use command::Command;
pub use delta::{Change, Delta};
pub use frame::FrameFault;
pub use image::{ClusterImage, Lane, Node, Partition, Replica, Topic};
pub use lanes::Lanes;
