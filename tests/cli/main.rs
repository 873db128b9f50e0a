//! The one binary as people use it: a real broker, real commands, what they print and how they end.

mod broker;
mod command;
mod directories;
mod fan_out;
mod files;
mod groups;
mod members;
mod new_protocol;
mod records;
mod refusals;
mod restarts;
mod topics;
mod usage;
