//! Vectors for the mirrors of core's client machine: what some clients of some runs were told, and what they answered.
//! They are committed; `CROSSPOINT_WRITE_VECTORS=1` writes them anew.

use crate::profile::Profile;
use crate::world::World;
use std::fs;
use std::path::Path;

const VECTORS: [(&str, u64); 14] = [
    ("calm", 1),
    ("calm", 2),
    ("links", 1),
    ("links", 2),
    ("posts", 1),
    ("posts", 2),
    ("outbox", 1),
    ("outbox", 2),
    ("restarts", 1),
    ("restarts", 2),
    ("everything", 1),
    ("everything", 2),
    ("silence", 1),
    ("silence", 2),
];

#[test]
fn vectors_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/client");
    let write = std::env::var_os("CROSSPOINT_WRITE_VECTORS").is_some();
    if write {
        fs::create_dir_all(&folder).unwrap();
    }
    let mut stale = vec![];
    for (name, seed) in VECTORS {
        let mut world = World::new(Profile::named(name).unwrap(), seed);
        world.peers[0].record.begin();
        world.run().unwrap();
        let (text, path) = (world.peers[0].record.text(), folder.join(format!("{name}-{seed}.jsonl")));
        if write {
            fs::write(&path, text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "stale; run this test with CROSSPOINT_WRITE_VECTORS=1: {stale:?}");
}
