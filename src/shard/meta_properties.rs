//! `meta.properties`: whose data directory this is, in Kafka's format (version 1, KRaft). Kafka's
//! tools want it, it keeps one host from opening another's data, and its `directory.id` tells a
//! directory from another that was mounted in its place (KIP-858).

use std::io;
use std::path::Path;

use crate::model::{ClusterId, DirectoryId, NodeId};
use crate::rt::file;

const NAME: &str = "meta.properties";

/// What the file says. What else is in it stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster: ClusterId,
    pub node: NodeId,
    /// Not there before Kafka 3.7.
    pub directory: Option<DirectoryId>,
}

/// The file of a directory; `None` when there is none yet.
pub async fn load(dir: &Path) -> io::Result<Option<MetaProperties>> {
    let path = dir.join(NAME);
    if !file::exists(&path).await? {
        return Ok(None);
    }
    let text = file::read_whole(&path).await?;
    let parsed = std::str::from_utf8(&text).ok().and_then(parse);
    parsed.map(Some).ok_or_else(|| {
        let reason = format!("{} is not a meta.properties of version 1", path.display());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

/// Writes the file of a directory that has none.
pub async fn create(
    dir: &Path,
    cluster: ClusterId,
    node: NodeId,
    directory: DirectoryId,
) -> io::Result<()> {
    let text =
        format!("version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={directory}\n");
    file::write_whole(&dir.join(NAME), text.as_bytes()).await
}

/// Adds the directory's id to a file that has none.
pub async fn add_directory(dir: &Path, directory: DirectoryId) -> io::Result<()> {
    let path = dir.join(NAME);
    let mut text = file::read_whole(&path).await?;
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("directory.id={directory}\n").as_bytes());
    file::write_whole(&path, &text).await
}

fn parse(text: &str) -> Option<MetaProperties> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let value = |key: &str| {
        let mut pairs = lines.clone().filter_map(|line| line.split_once('='));
        pairs.find_map(|(name, value)| (name.trim() == key).then_some(value.trim()))
    };
    if value("version")? != "1" {
        return None;
    }
    let directory = match value("directory.id") {
        Some(text) => Some(text.parse().ok().filter(|id: &DirectoryId| !id.is_nil())?),
        None => None,
    };
    Some(MetaProperties {
        cluster: value("cluster.id")?.parse().ok()?,
        node: NodeId(value("node.id")?.parse().ok()?),
        directory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_file_is_read() {
        let text = "#\n#Fri Nov 20 21:00:00 UTC 2026\nnode.id=7\n\
                    directory.id=vRVrEnXyRJmBzD3Ca4nfgg\nversion=1\n\
                    cluster.id=MkU3OEVBNTcwNTJENDM2Qg\n";
        let found = parse(text).expect("readable");
        assert_eq!(found.node, NodeId(7));
        assert_eq!(found.cluster.to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
        let directory = found.directory.expect("it has one");
        assert_eq!(directory.to_string(), "vRVrEnXyRJmBzD3Ca4nfgg");
        let older = text.replace("directory.id=vRVrEnXyRJmBzD3Ca4nfgg\n", "");
        assert_eq!(parse(&older), Some(MetaProperties { directory: None, ..found }));
        for (from, to) in [("version=1", "version=0"), ("vRVrEn", "x"), ("node.id", "broker.id")] {
            assert_eq!(parse(&text.replace(from, to)), None, "{to}");
        }
        assert_eq!(parse(""), None);
    }
}
