//! Functions that the verifier proves once, each by itself, rather than again on every path that leads to them.
//!
//! Without these cuts the larger programs need almost the million instructions that the verifier is willing to walk;
//! with them a fiftieth. Such a function must be global, take no more than five scalars, contexts and plain structs
//! without padding, and return a scalar.

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{
        address::Address,
        counters::Traffic,
        flow::Flow,
        port::{Claim, PortKey},
        reason::Reason,
        units::{ContainerId, Nanos, Ticks, Zone},
    },
    engine::{
        Headers, address, attribute,
        classify::MAX_STEPS,
        connection::Meeting,
        egress, flow,
        flow::Parties,
        headers::Place,
        parse,
        ports::{self, Refusal},
        rules::{Case, Ruling},
        spoof::Course,
        tables::{Found, Tables as _, Which},
    },
    wire::{ether::EtherType, tcp},
};

use crate::{
    flow::MapFlow,
    ftp, guards,
    hooks::control::CALLBACKS,
    maps::PORTS,
    notice,
    packet::{Copied, Skb},
    rules::{self, Aim, Turn},
    segment, socket, spoof,
    tables::{Context, Maps},
};

/// As [`parse::ip`].
#[inline(always)]
pub fn parse_ip(skb: Skb, kind: EtherType, offset: u32, headers: &mut Headers) -> bool {
    seam_parse(skb.0, kind.0 as u32, offset, headers) != 0
}

/// As [`egress::speaks_for_another`]: of raw sockets there are few, and the program needs its stack for others.
#[inline(always)]
pub fn speaks_for_another(skb: Skb, headers: &Headers, (sender, zone): (ContainerId, Zone)) -> Reason {
    Reason::from_number(seam_speaks_for_another(skb.0, headers, sender.0, zone.0) as u8)
}

/// Who has reserved the port at one end of the packet.
#[inline(always)]
pub fn port_holder(headers: &Headers, end: Which) -> Option<ContainerId> {
    match seam_port_holder(headers, (end == Which::Source) as u32) {
        NOBODY => None,
        id => Some(ContainerId(id as u32)),
    }
}

/// As [`flow::open`].
#[inline(always)]
pub fn open_flow(
    headers: &Headers,
    place: Place,
    parties: &Parties,
    traffic: (Traffic, bool),
    now: Nanos,
) -> Reason {
    let (owners, traffic) = pack_parties(parties, traffic);
    Reason::from_number(seam_open_flow(headers, pack(place), owners, traffic, now.0) as u8)
}

/// As [`flow::fill`].
#[inline(always)]
pub fn fill(
    number: u32,
    (headers, place): (&Headers, Place),
    parties: &Parties,
    traffic: (Traffic, bool),
    now: Nanos,
) {
    let (owners, traffic) = pack_parties(parties, traffic);
    let number = (Ticks::of(now).0 as u64) << 32 | number as u64;
    seam_fill(headers, pack(place), owners, traffic, number);
}

/// As two numbers, which take no stack. The highest bits of the traffic are free: no packet has 2²⁹ segments.
#[inline(always)]
fn pack_parties(parties: &Parties, (traffic, is_counted): (Traffic, bool)) -> (u64, u64) {
    let flags = (is_counted as u64) << 63 | (parties.flags as u64 & 3) << 61;
    ((parties.responder.0 as u64) << 32 | parties.opener.0 as u64, traffic.pack() | flags)
}

/// As they were before [`pack_parties`].
#[inline(always)]
fn unpack_parties(owners: u64, traffic: u64) -> (Parties, (Traffic, bool)) {
    let parties = Parties {
        opener: ContainerId(owners as u32),
        responder: ContainerId((owners >> 32) as u32),
        flags: (traffic >> 61 & 3) as u32,
    };
    (parties, (Traffic::unpack(traffic << 3 >> 3), traffic >> 63 != 0))
}

/// As one number.
#[inline(always)]
pub fn pack(place: Place) -> u64 {
    (place.sharer.0 as u64) << 32 | place.zone.0 as u64
}

/// As it was before [`pack`].
#[inline(always)]
pub fn unpack(place: u64) -> Place {
    Place { zone: Zone(place as u32), sharer: ContainerId((place >> 32) as u32) }
}

/// As [`ports::reserve`].
#[inline(always)]
pub fn reserve(key: &PortKey, claim: Claim, limit: u32) -> Result<(), Refusal> {
    let result = seam_reserve(key, claim.0, limit);
    match Reason::from_number((result >> 32) as u8) {
        Reason::None => Ok(()),
        reason => Err(Refusal { reason, holder: ContainerId(result as u32) }),
    }
}

/// As [`ports::release`].
#[inline(always)]
pub fn release(key: &PortKey, claim: Claim) {
    seam_release(key, claim.0);
}

/// As [`seam_answer`], where the kernel does not call back: whether the rules log the packet is left to be found out.
#[inline(always)]
fn answer_in_steps(skb: *mut __sk_buff, headers: &Headers, case: u64, place: u32) {
    let container = case as u32;
    if seam_begin(container, place) != 0 {
        for _ in 0..MAX_STEPS {
            match seam_step(skb, container, place) {
                GOES_ON => {}
                WAITS => guards::answer(Skb(skb), headers, case, place),
                _ => break,
            }
        }
    }
}

/// Whether the TCP header at `offset` has an option.
#[inline(always)]
pub fn tcp_option(skb: Skb, offset: u32, kind: u8) -> Option<bool> {
    match seam_tcp_option(skb.0, offset, kind as u32) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What kinds of addresses source and destination are, in the node's network, or in the one that a container has alone.
#[inline(always)]
pub fn address_types(headers: &Headers, alone: ContainerId) -> (u8, u8) {
    let types = seam_address_types(headers, alone.0);
    ((types >> 8) as u8, types as u8)
}

/// As [`notice::make`].
#[inline(always)]
pub fn make_notice(skb: Skb, headers: &Headers, rejection: u8) -> bool {
    seam_notice(skb.0, headers, rejection as u32) != 0
}

/// What the rules of a chain of table nat say of a packet that begins a flow, in a case that is given as a number.
#[inline(always)]
pub fn ask_translation(skb: Skb, headers: &Headers, case: u64) -> Result<Aim, Reason> {
    let told = seam_rule(skb.0, headers, case, core::ptr::null_mut());
    match Reason::from_number(told as u8) {
        Reason::None => Ok(Aim::from_number(told >> AIM_SHIFT)),
        reason => Err(reason),
    }
}

/// The context of programs that run on socket buffers.
#[derive(Clone, Copy)]
pub struct BySkb(pub Skb);

impl Context for BySkb {
    const HAS_ROOM: bool = false;

    #[inline(always)]
    fn skb(&self) -> *mut __sk_buff {
        self.0.0
    }

    #[inline(always)]
    fn rule(&self, headers: &Headers, case: &Case, flow: *mut Flow) -> Ruling {
        let result = seam_rule(self.0.0, headers, case.to_number(), flow);
        Ruling {
            reason: Reason::from_number(result as u8),
            code: (result >> 8) as u8,
            is_counted: result & COUNTED != 0,
        }
    }

    #[inline(always)]
    fn meet(&self, headers: &Headers, flow: *mut Flow, now: Nanos, from_opener: bool) -> Meeting {
        segment::meet(self.0, headers, flow, now, from_opener)
    }

    #[inline(always)]
    fn hear(&self, headers: &Headers, flow: *mut Flow, from_opener: bool) -> bool {
        ftp::hear(self.0, headers, flow, from_opener)
    }

    #[inline(always)]
    fn claim(&self, headers: &Headers, zone: Zone, whose: (ContainerId, bool), now: Nanos) -> bool {
        ftp::claim(self.0, headers, zone, whose, now)
    }

    #[inline(always)]
    fn find(&self, headers: &Headers, end: Which) -> Found {
        match seam_socket(self.0.0, headers, (end == Which::Source) as u32) {
            NOBODY => Found::Nothing,
            OTHER => Found::Other,
            id => Found::Container(ContainerId(id as u32)),
        }
    }

    #[inline(always)]
    fn course(&self, headers: &Headers, whose: (ContainerId, bool)) -> Result<Course, Reason> {
        spoof::course(self.0, headers, whose)
    }

    #[inline(always)]
    fn refuses_frame(&self, frame: (EtherType, u32), whose: (ContainerId, bool)) -> Reason {
        spoof::refuses_frame(self.0, frame, whose)
    }

    #[inline(always)]
    fn quoted_end(&self, headers: &Headers, zone: Zone, end: Which) -> ContainerId {
        ContainerId(seam_quoted_end(self.0.0, headers, zone.0, (end == Which::Source) as u32))
    }
}

/// No context: for programs, and parts of programs, that need none.
#[derive(Clone, Copy)]
pub struct NoContext;

/// The same, for parts of programs that have stack to spare.
#[derive(Clone, Copy)]
pub struct Roomy;

macro_rules! without_context {
    ($name:ident, $has_room:literal) => {
        impl Context for $name {
            const HAS_ROOM: bool = $has_room;

            #[inline(always)]
            fn rule(&self, _: &Headers, _: &Case, _: *mut Flow) -> Ruling {
                Ruling::PASS
            }

            #[inline(always)]
            fn meet(&self, _: &Headers, _: *mut Flow, _: Nanos, _: bool) -> Meeting {
                Meeting::GoesOn
            }

            #[inline(always)]
            fn hear(&self, _: &Headers, _: *mut Flow, _: bool) -> bool {
                false
            }

            #[inline(always)]
            fn claim(&self, _: &Headers, _: Zone, _: (ContainerId, bool), _: Nanos) -> bool {
                false
            }

            #[inline(always)]
            fn find(&self, _: &Headers, _: Which) -> Found {
                Found::Nothing
            }

            #[inline(always)]
            fn course(&self, _: &Headers, _: (ContainerId, bool)) -> Result<Course, Reason> {
                Ok(Course::Ends)
            }

            #[inline(always)]
            fn refuses_frame(&self, _: (EtherType, u32), _: (ContainerId, bool)) -> Reason {
                Reason::None
            }

            #[inline(always)]
            fn quoted_end(&self, _: &Headers, _: Zone, _: Which) -> ContainerId {
                ContainerId::UNOWNED
            }
        }
    };
}

without_context!(NoContext, false);
without_context!(Roomy, true);

/// How often a walk may wait: as often as the entries that it may go through by default have checks. More, and the packet
/// is dropped.
const MAX_TURNS: u32 = 512;

/// What becomes of a walk after a step, if it does not end.
const GOES_ON: u32 = 1;
const WAITS: u32 = 2;

/// Of what [`seam_rule`] returns: the packet's flow, which is new, has been counted.
const COUNTED: u64 = 1 << 16;
/// The same: an [`Aim`] from this bit on.
const AIM_SHIFT: u32 = 64 - Aim::BITS;

const NOBODY: u64 = 1 << 32;
const OTHER: u64 = 1 << 33;

#[unsafe(no_mangle)]
extern "C" fn seam_parse(skb: *mut __sk_buff, kind: u32, offset: u32, headers: *mut Headers) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { &mut *headers };
    parse::ip(&Skb(skb), EtherType(kind as u16), offset, headers) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_port_holder(headers: *const Headers, source: u32) -> u64 {
    if headers.is_null() {
        return NOBODY;
    }
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    let end = if source != 0 { Which::Source } else { Which::Destination };
    match ports::holder(&Maps::at(NoContext, Nanos(0)), headers, end) {
        Some(id) => id.0 as u64,
        None => NOBODY,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_open_flow(
    headers: *const Headers,
    place: u64,
    owners: u64,
    traffic: u64,
    now: u64,
) -> u32 {
    if headers.is_null() {
        return Reason::Malformed as u32;
    }
    let (parties, traffic) = unpack_parties(owners, traffic);
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    flow::open(&Maps::at(NoContext, Nanos(now)), headers, unpack(place), &parties, traffic) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_fill(headers: *const Headers, place: u64, owners: u64, traffic: u64, number: u64) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let (parties, traffic) = unpack_parties(owners, traffic);
    let maps = Maps::at(NoContext, Ticks((number >> 32) as u32).start());
    // SAFETY: As above.
    flow::fill(&maps, number as u32, (unsafe { &*headers }, unpack(place)), &parties, traffic);
    1
}

#[unsafe(no_mangle)]
extern "C" fn seam_reserve(key: *const PortKey, claim: u64, limit: u32) -> u64 {
    if key.is_null() {
        return (Reason::Malformed as u64) << 32;
    }
    // Older kernels look up keys on the function's own stack alone, so it must be copied there.
    // SAFETY: As above.
    let key = unsafe { key.read_volatile() };
    match ports::reserve(&Maps::at(NoContext, Nanos(0)), &key, Claim(claim), limit) {
        Ok(()) => 0,
        Err(Refusal { reason, holder }) => (reason as u64) << 32 | holder.0 as u64,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_release(key: *const PortKey, claim: u64) -> u32 {
    if !key.is_null() {
        // SAFETY: As above.
        let key = unsafe { key.read_volatile() };
        let maps = Maps::at(NoContext, Nanos(0));
        ports::release(&maps, &key, Claim(claim));
        // Not left for the sweep, which a daemon asks for: without one, the table would fill with what nobody holds.
        if maps.port(&key).is_some_and(ports::retire) {
            let _ = PORTS.remove(key);
        }
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_speaks_for_another(
    skb: *mut __sk_buff,
    headers: *const Headers,
    sender: u32,
    zone: u32,
) -> u32 {
    if headers.is_null() {
        return Reason::Malformed as u32;
    }
    // SAFETY: As above.
    let headers = unsafe { *headers };
    egress::speaks_for_another(&Maps::new(BySkb(Skb(skb))), &headers, (ContainerId(sender), Zone(zone)))
        as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_socket(skb: *mut __sk_buff, headers: *const Headers, answer: u32) -> u64 {
    if headers.is_null() {
        return NOBODY;
    }
    // SAFETY: As above.
    match socket::find(skb.cast(), unsafe { &*headers }, answer != 0) {
        Found::Nothing => NOBODY,
        Found::Other => OTHER,
        Found::Container(id) => id.0 as u64,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_answer(skb: *mut __sk_buff, container: u32, place: u32) -> u32 {
    rules::answer(Skb(skb), ContainerId(container), place) as u32
}

/// What rules say, and between whiles what they ask of others, which has the stack for itself then.
#[unsafe(no_mangle)]
extern "C" fn seam_rule(skb: *mut __sk_buff, headers: *const Headers, case: u64, flow: *mut Flow) -> u64 {
    if headers.is_null() {
        return Reason::Malformed as u64;
    }
    if !flow.is_null() && seam_replay(skb, headers, case, flow) != 0 {
        return Reason::None as u64;
    }
    let container = case as u32;
    let place = seam_question(skb, headers, case);
    // SAFETY: As above.
    let asked = unsafe { &*headers };
    let mut turn = Turn::Logged as u32;
    if CALLBACKS.load() == 0 {
        answer_in_steps(skb, asked, case, place);
    } else {
        for _ in 0..MAX_TURNS {
            turn = seam_answer(skb, container, place);
            if turn != Turn::Waits as u32 {
                break;
            }
            guards::answer(Skb(skb), asked, case, place);
        }
    }
    if turn == Turn::Logged as u32 {
        seam_report(skb, case, place);
    }
    if !flow.is_null() {
        seam_remember(skb, case, place, flow);
    }
    let told = seam_finish(skb, place);
    let (is_counted, passes) = (told & COUNTED != 0, told as u8 == Reason::None as u8);
    if Case::from_number(case).ends || (is_counted && !passes) {
        guards::conclude(asked, case);
    }
    told
}

/// As [`cached::replay`](berth_common::engine::cached::replay).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_replay(skb: *mut __sk_buff, headers: *const Headers, case: u64, flow: *mut Flow) -> u32 {
    if headers.is_null() || flow.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, flow) = unsafe { (&*headers, MapFlow::new(flow)) };
    rules::replay(Skb(skb), headers, &Case::from_number(case), flow) as u32
}

/// As [`cached::remember`](berth_common::engine::cached::remember).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_remember(skb: *mut __sk_buff, case: u64, place: u32, flow: *mut Flow) -> u32 {
    if flow.is_null() {
        return 0;
    }
    // SAFETY: As above.
    rules::remember(Skb(skb), &Case::from_number(case), place, unsafe { MapFlow::new(flow) });
    1
}

#[unsafe(no_mangle)]
extern "C" fn seam_report(skb: *mut __sk_buff, case: u64, place: u32) -> u32 {
    rules::report(Skb(skb), &Case::from_number(case), place);
    0
}

#[unsafe(no_mangle)]
extern "C" fn seam_notice(skb: *mut __sk_buff, headers: *const Headers, rejection: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    notice::make(Skb(skb), unsafe { &*headers }, rejection as u8) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_begin(container: u32, place: u32) -> u32 {
    rules::begin(ContainerId(container), place) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_finish(skb: *mut __sk_buff, place: u32) -> u64 {
    let (ruling, aim) = rules::finish(Skb(skb), place);
    let counted = if ruling.is_counted { COUNTED } else { 0 };
    ruling.reason as u64 | (ruling.code as u64) << 8 | counted | aim.to_number() << AIM_SHIFT
}

#[unsafe(no_mangle)]
extern "C" fn seam_question(skb: *mut __sk_buff, headers: *const Headers, case: u64) -> u32 {
    if headers.is_null() {
        return u32::MAX;
    }
    // SAFETY: As above.
    rules::question(Skb(skb), unsafe { &*headers }, &Case::from_number(case))
}

#[unsafe(no_mangle)]
extern "C" fn seam_step(skb: *mut __sk_buff, container: u32, place: u32) -> u32 {
    if rules::step(Skb(skb), ContainerId(container), place) {
        return GOES_ON;
    }
    if rules::waits(place) { WAITS } else { 0 }
}

#[unsafe(no_mangle)]
extern "C" fn seam_tcp_option(skb: *mut __sk_buff, offset: u32, kind: u32) -> u32 {
    match tcp::has_option(&Copied(Skb(skb)), offset, kind as u8) {
        Some(answer) => answer as u32,
        None => 2,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_address_types(headers: *const Headers, alone: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let maps = Maps::at(NoContext, Nanos(0));
    // As in `seam_reserve`.
    // SAFETY: As above.
    let (source, destination) = unsafe {
        ((&raw const (*headers).source).read_volatile(), (&raw const (*headers).destination).read_volatile())
    };
    let of = |address: &Address| address::kind(&maps, address, ContainerId(alone)) as u32;
    of(&source) << 8 | of(&destination)
}

#[unsafe(no_mangle)]
extern "C" fn seam_quoted_end(skb: *mut __sk_buff, headers: *const Headers, zone: u32, source: u32) -> u32 {
    if headers.is_null() {
        return ContainerId::UNOWNED.0;
    }
    let skb = Skb(skb);
    let end = if source != 0 { Which::Source } else { Which::Destination };
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    let ((kind, offset), mut inner) = (parse::quoted_at(headers), Headers::EMPTY);
    if !parse_ip(skb, kind, offset, &mut inner) {
        return ContainerId::UNOWNED.0;
    }
    attribute::end_of_quoted(&Maps::new(BySkb(skb)), headers, &inner, (Zone(zone), end)).0
}
