//! Who may depend on whom, as `cargo metadata` sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::top;

/// Runtimes, clocks, sockets, randomness: nothing of it in the core's tree.
const NOT_IN_CORE: [&str; 29] = [
    "async-io",
    "async-std",
    "chrono",
    "coarsetime",
    "crossbeam-channel",
    "fastrand",
    "futures-executor",
    "futures-timer",
    "getrandom",
    "h2",
    "hyper",
    "hyper-util",
    "instant",
    "jiff",
    "libc",
    "mio",
    "num_cpus",
    "oorandom",
    "quanta",
    "rand",
    "rand_core",
    "rayon",
    "ring",
    "smol",
    "socket2",
    "time",
    "tokio",
    "uuid",
    "web-time",
];

struct Packages {
    /// Names of normal dependencies, by name.
    dependencies: BTreeMap<String, BTreeSet<String>>,
    ours: BTreeSet<String>,
    /// Our packages' folders, as seen from the top.
    folders: BTreeMap<String, String>,
}

impl Packages {
    fn read() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(top())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (mut names, mut folders) = (BTreeMap::new(), BTreeMap::new());
        for package in list(&metadata["packages"]) {
            names.insert(text(&package["id"]), text(&package["name"]));
            let manifest = text(&package["manifest_path"]);
            if let Some(path) = manifest.strip_prefix(&format!("{}/", top().display())) {
                folders.insert(text(&package["name"]), path.trim_end_matches("/Cargo.toml").to_owned());
            }
        }
        let members = list(&metadata["workspace_members"]);
        let ours = members.iter().map(|id| names[&text(id)].clone()).collect();
        let mut dependencies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let of = dependencies.entry(names[&text(&node["id"])].clone()).or_default();
            for dependency in list(&node["deps"]) {
                if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                    of.insert(names[&text(&dependency["pkg"])].clone());
                }
            }
        }
        Self { dependencies, ours, folders }
    }

    /// Everything below a package.
    fn tree(&self, root: &str) -> BTreeSet<&str> {
        let mut tree = BTreeSet::new();
        let mut open = vec![root];
        while let Some(name) = open.pop() {
            for dependency in &self.dependencies[name] {
                if tree.insert(&**dependency) {
                    open.push(dependency);
                }
            }
        }
        tree
    }

    /// Our own packages that one depends on directly.
    fn ours_of(&self, name: &str) -> Vec<&str> {
        self.dependencies[name].intersection(&self.ours).map(|name| &**name).collect()
    }

    fn below(&self, folder: &str) -> Vec<&str> {
        self.folders.iter().filter(|(_, path)| path.starts_with(folder)).map(|(name, _)| &**name).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn the_core_has_no_runtime_clock_socket_or_randomness() {
    let packages = Packages::read();
    let core = packages.tree("crosspoint-core");
    assert!(core.contains("serde"), "the tree is read: {core:?}");
    let forbidden: Vec<_> = core.iter().filter(|name| NOT_IN_CORE.contains(*name)).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
    assert!(packages.ours_of("crosspoint-core").is_empty());
    let hub = packages.tree("crosspoint-hub");
    assert!(NOT_IN_CORE.iter().any(|name| hub.contains(name)), "the list would find a runtime");
}

#[test]
fn transports_know_nothing_of_ours_but_the_core() {
    let packages = Packages::read();
    let transports = packages.below("transports/");
    assert!(transports.len() >= 2, "{transports:?}");
    for transport in transports {
        assert_eq!(packages.ours_of(transport), ["crosspoint-core"], "{transport}");
    }
}

#[test]
fn dependencies_point_one_way() {
    let packages = Packages::read();
    for (name, allowed) in
        [("crosspoint-hub", &["crosspoint-core"][..]), ("crosspoint-client", &["crosspoint-core"][..])]
    {
        let more: Vec<_> =
            packages.ours_of(name).into_iter().filter(|other| !allowed.contains(other)).collect();
        assert!(more.is_empty(), "{name} depends on {more:?}");
    }
    for name in &packages.ours {
        let server = packages.tree(name).contains("crosspoint");
        assert!(!server || name == "crosspoint-tests", "{name} depends on the server");
    }
}
