//! Which TCP connections a process has, as the kernel tells it.

use std::{collections::BTreeSet, fs, path::Path};

use super::trouble::Outcome;

/// The state ESTABLISHED in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// How many established connections a process has to a port.
pub(crate) fn established_to(process: u32, port: u16) -> Outcome<usize> {
    let own = socket_inodes(process)?;
    let mut count = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // There is no second table where IPv6 is off.
        let table = fs::read_to_string(table).unwrap_or_default();
        count += table.lines().skip(1).filter(|line| is_connection(line, port, &own)).count();
    }
    Ok(count)
}

/// Columns: number, local, remote, state, … the tenth is the inode.
fn is_connection(line: &str, port: u16, own: &BTreeSet<String>) -> bool {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let remote_port = columns.get(2).and_then(|remote| remote.rsplit(':').next());
    remote_port == Some(&format!("{port:04X}"))
        && columns.get(3) == Some(&ESTABLISHED)
        && columns.get(9).is_some_and(|&inode| own.contains(inode))
}

fn socket_inodes(process: u32) -> Outcome<BTreeSet<String>> {
    let descriptors = Path::new("/proc").join(process.to_string()).join("fd");
    let links = fs::read_dir(descriptors)?.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| {
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    Ok(links.filter_map(inode).collect())
}
