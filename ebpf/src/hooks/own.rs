//! Containers' own translation, on their interfaces: around all else that is done there.

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{
        container::Container,
        nat::NatEnd,
        reason::Reason,
        rules::dimension::{direction, state},
    },
    engine::{
        Headers, Tables as _, exempt,
        headers::Kind,
        nat::own::Whose,
        rules::{Case, Chain, Network},
        spoof::{self, Course},
        tables::Which,
        track,
    },
};

use crate::{
    own::{self, Done},
    packet::Skb,
    rules::Aim,
    seams::{self, BySkb},
    tables::Maps,
};

/// Whether a packet is none of table nat's: the kernel does not track it, or sends and receives it past its rules.
#[inline(always)]
pub fn is_left_alone(headers: &Headers) -> bool {
    headers.kind == Kind::Link || exempt::is_link_control(headers)
}

/// Before all else: the packet goes where it is meant for. Its destination up to now is written to `came`, if it is not an ICMP error. Why
/// it is dropped, if it is.
#[inline(always)]
pub fn before(skb: Skb, headers: &mut Headers, whose: Whose, came: &mut NatEnd) -> Reason {
    if headers.kind == Kind::IcmpError {
        return if own::about(skb, headers, whose, Which::Destination, came) {
            Reason::None
        } else {
            Reason::Malformed
        };
    }
    // A container is shown what is for it, as it comes, and not what its rules make of that.
    if whose.inward {
        let reason = Reason::from_number(seam_own_refuses(skb.0, headers, whose.to_number()) as u8);
        if reason != Reason::None {
            return reason;
        }
    }
    let maps = Maps::new(BySkb(skb));
    match own::arrive(skb, headers, whose, came) {
        Done::Passes => Reason::None,
        Done::Dropped(reason) => reason,
        Done::Asks(_) if !track::begins(headers, maps.tcp()) => Reason::None,
        Done::Asks(_) => {
            let chain = if whose.inward { Chain::NatPrerouting } else { Chain::NatOutput };
            let aim = match ask(skb, headers, whose, chain) {
                Ok(Some(aim)) if !aim.is_none() => aim,
                Ok(_) => return Reason::None,
                Err(reason) => return reason,
            };
            match own::aim(skb, headers, whose, aim) {
                Done::Dropped(reason) => reason,
                Done::Passes | Done::Asks(_) => Reason::None,
            }
        }
    }
}

/// After all else: the packet comes from where it is to be said to. Why it is dropped, if it is.
#[inline(always)]
pub fn after(skb: Skb, headers: &mut Headers, whose: Whose, came: &mut NatEnd) -> Reason {
    if headers.kind == Kind::IcmpError {
        return if own::about(skb, headers, whose, Which::Source, came) {
            Reason::None
        } else {
            Reason::Malformed
        };
    }
    match own::depart(skb, headers, whose) {
        Done::Passes => Reason::None,
        Done::Dropped(reason) => reason,
        Done::Asks(slot) => {
            let reason = own::name_destination(headers, (whose, slot), came);
            if reason != Reason::None {
                return reason;
            }
            let chain = if whose.inward { Chain::NatInput } else { Chain::NatPostrouting };
            let aim = match ask(skb, headers, whose, chain) {
                Ok(Some(aim)) => aim,
                // Where it leaves the container again, there is another chain to be asked.
                Ok(None) => return Reason::None,
                Err(reason) => return reason,
            };
            // What it has come with is of no use any more.
            match own::settle(skb, headers, (whose, slot), (aim, came)) {
                Done::Dropped(reason) => reason,
                Done::Passes | Done::Asks(_) => Reason::None,
            }
        }
    }
}

/// The packet has its destination back, for whoever is told that it was rejected.
#[inline(always)]
pub fn undo(skb: Skb, headers: &mut Headers, came: &NatEnd) -> bool {
    headers.kind == Kind::IcmpError || own::send_to(skb, headers, came)
}

/// What a chain of table nat says of a packet that begins a flow; nothing of one that it does not see, since it goes through the container.
#[inline(always)]
fn ask(skb: Skb, headers: &Headers, whose: Whose, chain: Chain) -> Result<Option<Aim>, Reason> {
    match seam_own_case(skb.0, headers, whose.to_number(), chain as u32) {
        UNASKED => Ok(None),
        case => seams::ask_translation(skb, headers, case).map(Some),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_refuses(skb: *mut __sk_buff, headers: *const Headers, whose: u64) -> u32 {
    if headers.is_null() {
        return Reason::None as u32;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (skb, headers, whose) = unsafe { (Skb(skb), &*headers, Whose::from_number(whose)) };
    let maps = Maps::new(BySkb(skb));
    let Some(container) = maps.container(whose.id) else { return Reason::None as u32 };
    if !spoof::concerns(headers, container.flags, whose.inward) {
        return Reason::None as u32;
    }
    match maps.course(&skb, headers, (whose.id, whose.inward)) {
        Ok(_) => Reason::None as u32,
        Err(reason) => reason as u32,
    }
}

/// What [`seam_own_case`] returns where the chain is not asked.
const UNASKED: u64 = u64::MAX;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_case(skb: *mut __sk_buff, headers: *const Headers, whose: u64, chain: u32) -> u64 {
    if headers.is_null() {
        return UNASKED;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (skb, headers) = (Skb(skb), unsafe { &*headers });
    let (whose, chain) = (Whose::from_number(whose), Chain::from_number(chain as u8));
    let maps = Maps::new(BySkb(skb));
    let Some(container) = maps.container(whose.id) else { return UNASKED };
    let flags = container.flags;
    let sees_all = matches!(chain, Chain::NatPrerouting | Chain::NatPostrouting);
    if !sees_all && spoof::concerns(headers, flags, whose.inward) {
        match maps.course(&skb, headers, (whose.id, whose.inward)) {
            Ok(Course::Ends) => {}
            _ => return UNASKED,
        }
    }
    Case {
        container: whose.id,
        chain,
        state: state::NEW as u8,
        direction: direction::ORIGINAL as u8,
        status: 0,
        asks_types: flags & Container::ASKS_ADDRESS_TYPES != 0,
        network: Network::Own,
        is_inside: false,
        ends: false,
    }
    .to_number()
}
