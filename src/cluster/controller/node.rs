//! What a host that comes up has to write into the metadata before it serves.

use crate::base::prng::Prng;
use crate::cluster::{ClusterImage, Command, Node, placement};
use crate::model::ClusterId;

/// Formats a new cluster, registers the host as it is now, and places what its vanished cores
/// owned. Empty when nothing has changed.
pub fn start_node(image: &ClusterImage, node: Node, random: &mut Prng) -> Vec<Command> {
    let mut commands = Vec::new();
    if !image.is_formatted() {
        commands.push(Command::FormatCluster { id: ClusterId::random(random) });
    }
    let moves = placement::plan(image, node.id, node.cores);
    if image.node(node.id) != Some(&node) {
        commands.push(Command::RegisterNode(node));
    }
    commands.extend(moves);
    commands
}
