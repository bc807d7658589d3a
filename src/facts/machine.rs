//! The machine of a node: its name, address, memory and graphics processor, from the virtual files of the kernel.

use std::{net::Ipv4Addr, path::Path};

/// PCI's number of the manufacturer NVIDIA, and the classes of display and 3D controllers (<https://pci-ids.ucw.cz>).
const NVIDIA: &str = "0x10de";
const DISPLAY_CONTROLLERS: &str = "0x03";

/// The first line of a file below the root, if it is not empty.
pub(super) fn line(root: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(root.join(name)).ok()?;
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// The host name.
pub(super) fn hostname(root: &Path) -> Option<String> {
    line(root, "proc/sys/kernel/hostname").or_else(|| line(root, "etc/hostname"))
}

/// The memory of the machine, in MiB.
pub(super) fn memory(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(total.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// Whether the machine has a graphics processor of NVIDIA, with or without its driver.
pub(super) fn has_gpu(root: &Path) -> bool {
    if ["proc/driver/nvidia", "dev/nvidiactl"].iter().any(|path| root.join(path).exists()) {
        return true;
    }
    let devices = std::fs::read_dir(root.join("sys/bus/pci/devices")).into_iter().flatten().filter_map(Result::ok);
    devices.map(|device| device.path()).any(|device| {
        let has = |name: &str, start: &str| line(&device, name).is_some_and(|text| text.starts_with(start));
        has("vendor", NVIDIA) && has("class", DISPLAY_CONTROLLERS)
    })
}

/// The IPv4 address of the interface with the default route, from the tables of the kernel.
pub(super) fn default_address(root: &Path) -> Option<Ipv4Addr> {
    let routes = std::fs::read_to_string(root.join("proc/net/route")).ok()?;
    let trie = std::fs::read_to_string(root.join("proc/net/fib_trie")).ok()?;
    let (network, mask) = default_network(&routes)?;
    local_addresses(&trie).find(|address| u32::from(*address) & mask == network & mask)
}

/// The network of the interface with the default route, with its mask. The kernel writes addresses in the byte order of
/// the machine.
fn default_network(routes: &str) -> Option<(u32, u32)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| Some(u32::from_str_radix(fields.get(index)?, 16).ok()?.to_be());
        Some(((*fields.first()?).to_owned(), number(1)?, number(2)?, number(7)?))
    };
    let routes: Vec<_> = routes.lines().skip(1).filter_map(route).collect();
    let (default, ..) = routes.iter().find(|(_, network, _, mask)| *network == 0 && *mask == 0)?;
    let connected = routes.iter().find(|(name, network, gateway, _)| name == default && *gateway == 0 && *network != 0);
    connected.map(|(_, network, _, mask)| (*network, *mask))
}

/// The addresses of the machine itself.
fn local_addresses(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let lines = trie.lines().map(str::trim);
    lines.clone().zip(lines.skip(1)).filter_map(|(address, kind)| {
        let is_own = kind.starts_with("/32 host LOCAL");
        let address: Ipv4Addr = address.strip_prefix("|-- ")?.parse().ok()?;
        (is_own && !address.is_loopback()).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn the_address_is_that_of_the_default_route() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                      eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                      docker0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                      eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    \x20    |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.168.0.1\n        /32 host LOCAL\n\
                    \x20    |-- 172.17.0.5\n        /32 host LOCAL\n     |-- 172.17.255.255\n        /32 link BROADCAST\n";
        put(&temp.path().join("proc/net/route"), routes);
        put(&temp.path().join("proc/net/fib_trie"), trie);
        assert_eq!(default_address(temp.path()), Some(Ipv4Addr::new(172, 17, 0, 5)));
        assert_eq!(default_address(Path::new("/nowhere")), None);
    }

    #[test]
    fn a_graphics_processor_is_found_without_its_driver() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let device = temp.path().join("sys/bus/pci/devices/0000:00:1e.0");
        put(&device.join("vendor"), "0x10de\n");
        put(&device.join("class"), "0x040300\n");
        assert!(!has_gpu(temp.path()), "it is a sound device");
        put(&device.join("class"), "0x030200\n");
        assert!(has_gpu(temp.path()));
    }

    #[test]
    fn the_memory_is_in_mebibytes() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        put(&temp.path().join("proc/meminfo"), "MemTotal:       16384256 kB\nMemFree:  1 kB\n");
        assert_eq!(memory(temp.path()), Some(16_000));
    }
}
