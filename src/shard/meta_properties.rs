//! `meta.properties`: whose data directory this is, in Kafka's format (version 1, KRaft). Kafka's
//! tools want it, and it keeps one host from opening another's data.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::base::prng::Prng;
use crate::model::{ClusterId, NodeId, TopicId};
use crate::rt::file;

const NAME: &str = "meta.properties";

/// What the file says. Keys that are not ours to know are kept when it is rewritten by others; we
/// never rewrite it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster: ClusterId,
    pub node: NodeId,
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
pub async fn create(dir: &Path, of: MetaProperties, random: &mut Prng) -> io::Result<()> {
    let text = format!(
        "version=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\n",
        of.cluster,
        of.node,
        TopicId::random(random)
    );
    file::write_whole(&dir.join(NAME), text.as_bytes()).await
}

fn parse(text: &str) -> Option<MetaProperties> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let keys: BTreeMap<&str, &str> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    if *keys.get("version")? != "1" {
        return None;
    }
    Some(MetaProperties {
        cluster: keys.get("cluster.id")?.parse().ok()?,
        node: NodeId(keys.get("node.id")?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_file_is_read() {
        let text = "#\n#Fri Nov 20 21:00:00 UTC 2026\nnode.id=7\ndirectory.id=x\nversion=1\n\
                    cluster.id=MkU3OEVBNTcwNTJENDM2Qg\n";
        let found = parse(text).expect("readable");
        assert_eq!(found.node, NodeId(7));
        assert_eq!(found.cluster.to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
        assert_eq!(parse(&text.replace("version=1", "version=0")), None);
        assert_eq!(parse(""), None);
    }
}
