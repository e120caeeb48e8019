//! Extended attributes that are content.

use rustix::buffer::spare_capacity;
use rustix::fd::AsFd;
use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::Errno;

/// Whether an attribute is the site's. Those that people set, access lists and a program's capabilities are. Left
/// out are those that the host makes by its own rules and would refuse or overrule from elsewhere: SELinux's and
/// other guards' labels, checksums of `ima` and `evm`, and `trusted.`, where file systems keep their own books.
fn is_content(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || matches!(name, b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default")
}

/// The attributes of what is open, in byte order of their names. Reading needs no right but that to read the
/// content.
pub fn read(fd: impl AsFd) -> rustix::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let list = match whole(|room| flistxattr(&fd, spare_capacity(room))) {
        Ok(list) => list,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in list.split(|byte| *byte == 0).filter(|name| is_content(name)) {
        match whole(|room| fgetxattr(&fd, name, spare_capacity(room))) {
            Ok(value) => found.push((name.to_vec(), value)),
            // It went meanwhile.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}

/// Asks with more and more room, up to the 64 KiB that the kernel gives at most.
fn whole(ask: impl Fn(&mut Vec<u8>) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut room = Vec::with_capacity(256);
    loop {
        room.clear();
        match ask(&mut room) {
            Err(Errno::RANGE) if room.capacity() < 64 << 10 => room.reserve(room.capacity() * 4),
            done => return done.map(|_| room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_host_are_not_content() {
        assert!(is_content(b"user.comment"));
        assert!(is_content(b"system.posix_acl_default"));
        for name in [&b"security.selinux"[..], b"trusted.overlay.opaque", b"system.nfs4_acl", b"user", b""] {
            assert!(!is_content(name));
        }
    }
}
