//! Files that come or go in the embedded folders change the binary; the compiler sees only those that it has embedded.

fn main() {
    println!("cargo::rerun-if-changed=../../static/demo");
    println!("cargo::rerun-if-changed=../../static/sdk/dist");
}
