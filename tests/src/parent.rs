//! For processes that tests start.

use std::io::Write;
use std::net::SocketAddr;

/// Prints `{"listen": …, …}`, so that the starter learns of free ports.
pub fn tell_addresses(addresses: &[(&str, SocketAddr)]) -> std::io::Result<()> {
    let addresses: serde_json::Map<String, serde_json::Value> =
        addresses.iter().map(|(name, address)| ((*name).to_owned(), address.to_string().into())).collect();
    writeln!(std::io::stdout(), "{}", serde_json::Value::from(addresses))
}

/// Ends this process when its stdin does, so that it never outlives the test that started it.
pub fn end_with_stdin() {
    std::thread::spawn(|| {
        // However reading ends, the parent is gone.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}
