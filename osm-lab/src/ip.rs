//! Addresses, as far as a network service counts them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) network: IpAddr,
    pub(crate) prefix: u8,
}

impl Cidr {
    fn width(self) -> u8 {
        if self.network.is_ipv4() { 32 } else { 128 }
    }

    fn mask(self) -> u128 {
        let host = u32::from(self.width() - self.prefix);
        let all = if self.width() == 32 { u128::from(u32::MAX) } else { u128::MAX };
        if host >= 128 { 0 } else { all & (u128::MAX << host) }
    }

    pub(crate) fn is_ipv4(self) -> bool {
        self.network.is_ipv4()
    }

    /// The first address: the network itself.
    pub(crate) fn first(self) -> u128 {
        number(self.network)
    }

    /// The last address: in IPv4 the broadcast.
    pub(crate) fn last(self) -> u128 {
        let all = if self.width() == 32 { u128::from(u32::MAX) } else { u128::MAX };
        self.first() | (all & !self.mask())
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4() && number(address) & self.mask() == self.first()
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// The address this many after the network.
    pub(crate) fn nth(self, index: u128) -> IpAddr {
        address(self.is_ipv4(), self.first() + index)
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (network, prefix) = text.split_once('/').ok_or(())?;
        let network: IpAddr = network.parse().map_err(|_| ())?;
        let prefix: u8 = prefix.parse().map_err(|_| ())?;
        let cidr = Self { network, prefix };
        if prefix > cidr.width() {
            return Err(());
        }
        let network = address(cidr.is_ipv4(), number(network) & cidr.mask());
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// A range of addresses to give out, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) start: IpAddr,
    pub(crate) end: IpAddr,
}

impl Pool {
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.start.is_ipv4();
        (number(self.start)..=number(self.end)).map(move |value| address(v4, value))
    }
}

pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

pub(crate) fn address(v4: bool, value: u128) -> IpAddr {
    match u32::try_from(value) {
        Ok(value) if v4 => IpAddr::V4(Ipv4Addr::from(value)),
        _ => IpAddr::V6(Ipv6Addr::from(value)),
    }
}

/// The address a guest with this MAC gives itself (RFC 4291, appendix A).
pub(crate) fn eui64(cidr: Cidr, mac: &str) -> Option<IpAddr> {
    let octets: Vec<u8> = mac.split(':').filter_map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    let [a, b, c, d, e, f] = octets.try_into().ok()?;
    let host = u64::from_be_bytes([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
    Some(IpAddr::V6(Ipv6Addr::from(cidr.first() | u128::from(host))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_its_ends() {
        let cidr: Cidr = "10.10.4.7/26".parse().unwrap();
        assert_eq!(cidr.to_string(), "10.10.4.0/26");
        assert_eq!(address(true, cidr.last()).to_string(), "10.10.4.63");
        assert!(cidr.contains("10.10.4.63".parse().unwrap()));
        assert!(!cidr.contains("10.10.4.64".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
        assert_eq!("::/0".parse::<Cidr>().unwrap().last(), u128::MAX);
    }

    #[test]
    fn an_automatic_address_comes_from_the_mac() {
        let cidr: Cidr = "fd00:10:1::/64".parse().unwrap();
        let address = eui64(cidr, "fa:16:3e:00:aa:01").unwrap();
        assert_eq!(address.to_string(), "fd00:10:1:0:f816:3eff:fe00:aa01");
    }
}
