//! What Linux says of the hub's process.

use std::fs;
use std::time::Instant;

/// CPU time and resident memory at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    at: Instant,
    cpu_ns: u64,
    rss_kib: u64,
}

impl Reading {
    /// `None` where there is no such process, or no /proc.
    pub(super) fn take(pid: u32) -> Option<Reading> {
        let mut cpu_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            cpu_ns += stat.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        let rss_kib = rss.trim().split(' ').next()?.parse().ok()?;
        Some(Reading { at: Instant::now(), cpu_ns, rss_kib })
    }

    /// CPU time since an earlier reading, µs.
    pub(super) fn cpu_us_since(&self, before: &Reading) -> f64 {
        self.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1000.0
    }

    /// Share of one core since an earlier reading, percent.
    pub(super) fn cpu_percent_since(&self, before: &Reading) -> f64 {
        self.cpu_us_since(before) / (self.at - before.at).as_micros().max(1) as f64 * 100.0
    }

    /// Memory since an earlier reading, KiB; negative if it shrank.
    pub(super) fn rss_kib_since(&self, before: &Reading) -> f64 {
        self.rss_kib as f64 - before.rss_kib as f64
    }
}

/// The process on this machine that listens on the URL's port, if its host is this machine.
pub(super) fn listener(url: &str) -> Option<u32> {
    let uri: http::Uri = url.parse().ok()?;
    if !matches!(uri.host()?, "127.0.0.1" | "localhost" | "[::1]") {
        return None;
    }
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|t| inode(t, port))?;
    let wanted = format!("socket:[{inode}]");
    let pids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find(|pid| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.to_str() == Some(&wanted)))
    })
}

/// The inode of the socket that listens on a port (proc(5), /proc/net/tcp: state 0A).
fn inode(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
        let mut cells = line.split_whitespace();
        let (local, state) = (cells.nth(1)?, cells.nth(1)?);
        (local.ends_with(&port) && state == "0A").then(|| cells.nth(5)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_process_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(super::listener(&url), Some(std::process::id()));
        assert_eq!(super::listener("http://example.org"), None);
        assert!(Reading::take(std::process::id()).is_some_and(|r| r.rss_kib > 0 && r.cpu_ns > 0));
    }
}
