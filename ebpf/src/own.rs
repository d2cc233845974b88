//! What containers' own rules translate, in the kernel: functions that the verifier proves each by itself, as in [`crate::seams`].

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{address::Address, nat::NatEnd, reason::Reason, rules::target::Written, units::Zone},
    engine::{
        Headers,
        nat::{
            self, Naming, Taken,
            own::{self, Layer, Ports, Step, Whose},
        },
        tables::Which,
    },
};

use crate::{hooks::nat::read_quoted, packet::Skb, rewrite, rules::Aim, seams::NoContext, tables::Maps};

/// What the seams return: that the packet may go on; that rules are to be asked about the flow in the slot above these bits; or that it is dropped, for
/// the reason there.
const PASSES: u64 = 0;
const ASKS: u64 = 1;
const DROPPED: u64 = 2;

/// Of what [`seam_own_plan`] returns, if it may go on: the [`Ports`] from this bit on.
const PORTS_SHIFT: u32 = 8;

/// Which end is meant.
const DESTINATION: u32 = 0;
const SOURCE: u32 = 1;

/// What becomes of a packet, which has been changed if it had to be.
#[derive(Clone, Copy)]
pub enum Done {
    /// It goes on.
    Passes,
    /// Rules are to be asked about the flow in this slot; of no meaning where there is no flow yet.
    Asks(u32),
    /// It is dropped.
    Dropped(Reason),
}

impl Done {
    #[inline(always)]
    const fn from_number(number: u64) -> Self {
        match number & 3 {
            PASSES => Self::Passes,
            ASKS => Self::Asks((number >> 32) as u32),
            _ => Self::Dropped(Reason::from_number((number >> 32) as u8)),
        }
    }
}

#[inline(always)]
const fn dropped(reason: Reason) -> u64 {
    DROPPED | (reason as u64) << 32
}

/// As [`own::arrive`]. The destination that the packet has come with is written to `came`.
#[inline(always)]
pub fn arrive(skb: Skb, headers: &mut Headers, whose: Whose, came: &mut NatEnd) -> Done {
    Done::from_number(seam_own_arrive(skb.0, headers, whose.to_number(), came))
}

/// As [`own::aim`], by a rule.
#[inline(always)]
pub fn aim(skb: Skb, headers: &mut Headers, whose: Whose, aim: Aim) -> Done {
    Done::from_number(seam_own_aim(skb.0, headers, whose.to_number(), aim.to_number()))
}

/// As [`own::name_destination`].
#[inline(always)]
pub fn name_destination(headers: &mut Headers, (whose, slot): (Whose, u32), asked: &NatEnd) -> Reason {
    Reason::from_number(seam_own_name(headers, whose.to_number(), slot, asked) as u8)
}

/// As [`own::depart`].
#[inline(always)]
pub fn depart(skb: Skb, headers: &mut Headers, whose: Whose) -> Done {
    Done::from_number(seam_own_depart(skb.0, headers, whose.to_number()))
}

/// Where the flow in a slot comes from ([`own::plan`], [`own::settle`]); what is between the two is kept at `end`.
#[inline(always)]
pub fn settle(
    skb: Skb,
    headers: &mut Headers,
    (whose, slot): (Whose, u32),
    (aim, end): (Aim, &mut NatEnd),
) -> Done {
    let plan = seam_own_plan(headers, whose.to_number(), aim.to_number(), SOURCE, end);
    match Done::from_number(plan) {
        Done::Passes => {
            let naming = Naming {
                number: Layer::Source.number(slot),
                zone: whose.after(),
                which: Which::Source,
                is_given: false,
            };
            let ports = plan >> PORTS_SHIFT;
            Done::from_number(seam_own_settle(skb.0, headers, naming.to_number(), ports, end))
        }
        done => done,
    }
}

/// An ICMP error, [before](own::arrive_about) all else or [after](own::depart_about) it. False if it can only be dropped. There is room at `end`
/// for what is found meanwhile.
#[inline(always)]
pub fn about(skb: Skb, headers: &mut Headers, whose: Whose, which: Which, end: &mut NatEnd) -> bool {
    match which {
        Which::Destination => seam_own_about_before(skb.0, headers, whose.to_number(), end) != 0,
        Which::Source => seam_own_about_after(skb.0, headers, whose.to_number(), end) != 0,
    }
}

/// Puts another destination in a packet.
#[inline(always)]
pub fn send_to(skb: Skb, headers: &mut Headers, end: &NatEnd) -> bool {
    seam_own_send_to(skb.0, headers, end) != 0
}

/// Carries a step out.
#[inline(always)]
fn carry_out(skb: Skb, headers: &mut Headers, step: Step, which: Which, end: &NatEnd) -> u64 {
    match step {
        Step::AsItIs => PASSES,
        Step::Translated if put(skb, headers, which, end) => PASSES,
        // Half of it may have been changed.
        Step::Translated => dropped(Reason::Malformed),
        Step::Asks(slot) => ASKS | (slot as u64) << 32,
        Step::Dropped(reason) => dropped(reason),
    }
}

#[inline(always)]
fn put(skb: Skb, headers: &mut Headers, which: Which, end: &NatEnd) -> bool {
    let is_put = rewrite::put(skb, headers, which, end);
    headers.put(which, (*end).into());
    is_put
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_arrive(
    skb: *mut __sk_buff,
    headers: *mut Headers,
    whose: u64,
    came: *mut NatEnd,
) -> u64 {
    if headers.is_null() || came.is_null() {
        return PASSES;
    }
    // SAFETY: The verifier holds callers to valid memory of the types' sizes.
    let (headers, came) = unsafe { (&mut *headers, &mut *came) };
    *came = headers.to().into();
    let mut end = NatEnd::NOWHERE;
    let step = own::arrive(&Maps::new(NoContext), headers, Whose::from_number(whose), &mut end);
    carry_out(Skb(skb), headers, step, Which::Destination, &end)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_plan(
    headers: *const Headers,
    whose: u64,
    aim: u64,
    which: u32,
    end: *mut NatEnd,
) -> u64 {
    if headers.is_null() || end.is_null() {
        return PASSES;
    }
    let (whose, which) =
        (Whose::from_number(whose), if which == SOURCE { Which::Source } else { Which::Destination });
    let aim = Aim::from_number(aim);
    let target = aim.line(whose.id).and_then(Written::at);
    if target.is_none() && !aim.is_none() {
        return dropped(Reason::RulesDamaged);
    }
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    // Keys of lookups are looked for on the function's own stack, as older kernels demand.
    let mut found = core::hint::black_box(NatEnd::NOWHERE);
    let ports = own::plan(&Maps::new(NoContext), headers, (target, whose), which, &mut found);
    // SAFETY: As above.
    unsafe { end.write(found) };
    match ports {
        Ok(ports) => PASSES | ports.to_number() << PORTS_SHIFT,
        Err(reason) => dropped(reason),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_aim(skb: *mut __sk_buff, headers: *mut Headers, whose: u64, aim: u64) -> u64 {
    if headers.is_null() {
        return PASSES;
    }
    let mut end = NatEnd::NOWHERE;
    let plan = seam_own_plan(headers, whose, aim, DESTINATION, &raw mut end);
    let Done::Passes = Done::from_number(plan) else { return plan };
    // SAFETY: As above.
    let headers = unsafe { &mut *headers };
    let (maps, ports) = (Maps::new(NoContext), Ports::from_number(plan >> PORTS_SHIFT));
    let step = own::aim(&maps, headers, Whose::from_number(whose), ports, &mut end);
    carry_out(Skb(skb), headers, step, Which::Destination, &end)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_name(headers: *mut Headers, whose: u64, slot: u32, asked: *const NatEnd) -> u32 {
    if headers.is_null() || asked.is_null() {
        return Reason::None as u32;
    }
    // SAFETY: As above.
    let (headers, asked) = unsafe { (&mut *headers, &*asked) };
    let whose = Whose::from_number(whose);
    own::name_destination(&Maps::new(NoContext), headers, (whose, slot), asked) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_depart(skb: *mut __sk_buff, headers: *mut Headers, whose: u64) -> u64 {
    if headers.is_null() {
        return PASSES;
    }
    // SAFETY: As above.
    let headers = unsafe { &mut *headers };
    let mut end = NatEnd::NOWHERE;
    let step = own::depart(&Maps::new(NoContext), headers, Whose::from_number(whose), &mut end);
    carry_out(Skb(skb), headers, step, Which::Source, &end)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_settle(
    skb: *mut __sk_buff,
    headers: *mut Headers,
    naming: u64,
    ports: u64,
    end: *mut NatEnd,
) -> u64 {
    if headers.is_null() || end.is_null() {
        return PASSES;
    }
    // SAFETY: As above.
    let (skb, headers, end) = unsafe { (Skb(skb), &mut *headers, &mut *end) };
    let maps = Maps::new(NoContext);
    let step = own::settle(&maps, headers, Naming::from_number(naming), Ports::from_number(ports), end);
    carry_out(skb, headers, step, Which::Source, end)
}

// These are two functions since one that does both needs more stack than there is.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_about_before(
    skb: *mut __sk_buff,
    headers: *mut Headers,
    whose: u64,
    end: *mut NatEnd,
) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (skb, headers, end) = unsafe { (Skb(skb), &mut *headers, &mut *end) };
    let mut quoted = Headers::EMPTY;
    if !read_quoted(skb, headers, &mut quoted)
        || !own::arrive_about(&Maps::new(NoContext), &quoted, Whose::from_number(whose), end)
    {
        return 1;
    }
    let is_for_it = quoted.source == headers.destination;
    (rewrite::put_quoted(skb, headers, &quoted, Which::Source, end)
        && (!is_for_it || put(skb, headers, Which::Destination, end))) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_about_after(
    skb: *mut __sk_buff,
    headers: *mut Headers,
    whose: u64,
    end: *mut NatEnd,
) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (skb, headers, end) = unsafe { (Skb(skb), &mut *headers, &mut *end) };
    let mut quoted = Headers::EMPTY;
    if !read_quoted(skb, headers, &mut quoted)
        || !own::depart_about(&Maps::new(NoContext), &quoted, Whose::from_number(whose), end)
    {
        return 1;
    }
    // Whoever sends it: as netfilter has it, and nobody is told of a way that was not asked for (nf_nat_icmp_reply_translation).
    (rewrite::put_quoted(skb, headers, &quoted, Which::Destination, end)
        && put(skb, headers, Which::Source, end)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_own_send_to(skb: *mut __sk_buff, headers: *mut Headers, end: *const NatEnd) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, end) = unsafe { (&mut *headers, &*end) };
    put(Skb(skb), headers, Which::Destination, end) as u32
}

/// As [`NatTables::own_end`](berth_common::engine::nat::NatTables::own_end).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_end(slot: u32, remote: *const Address, zone: u32, end: *mut NatEnd) -> u32 {
    if remote.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (remote, end) = unsafe { (&*remote, &mut *end) };
    own::end_of(&Maps::new(NoContext), slot, remote, Zone(zone), end) as u32
}

/// As [`NatTables::own_number`](berth_common::engine::nat::NatTables::own_number).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_number(headers: *const Headers, zone: u32) -> u32 {
    if headers.is_null() {
        return own::NO_SLOT;
    }
    // SAFETY: As above.
    own::number_by_name(&Maps::new(NoContext), unsafe { &*headers }, Zone(zone))
}

/// As [`NatTables::own_is_free`](berth_common::engine::nat::NatTables::own_is_free).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_is_free(headers: *const Headers, whose: u64) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    own::is_free(&Maps::new(NoContext), unsafe { &*headers }, Whose::from_number(whose)) as u32
}

/// As [`NatTables::own_is_live`](berth_common::engine::nat::NatTables::own_is_live).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_is_live(outer: *const Headers, naming: u64) -> u32 {
    if outer.is_null() {
        return 0;
    }
    // SAFETY: As above.
    own::is_live(&Maps::new(NoContext), unsafe { &*outer }, Naming::from_number(naming)) as u32
}

/// As [`NatTables::own_take`](berth_common::engine::nat::NatTables::own_take).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_take(outer: *const Headers, naming: u64) -> u32 {
    if outer.is_null() {
        return Taken::No as u32;
    }
    // SAFETY: As above.
    nat::seize(&Maps::new(NoContext), unsafe { &*outer }, Naming::from_number(naming)) as u32
}

/// As [`NatTables::own_keep`](berth_common::engine::nat::NatTables::own_keep).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn seam_own_keep(outer: *const Headers, naming: u64) -> u32 {
    if outer.is_null() {
        return Taken::No as u32;
    }
    // SAFETY: As above.
    own::keep(&Maps::new(NoContext), unsafe { &*outer }, Naming::from_number(naming)) as u32
}
