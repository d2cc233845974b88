//! Rules: rulesets as the classifier walks them, and what it asks of the kernel.
//!
//! A walk keeps its state in `SCRATCH`, not on the stack: what comes out of a map is unknown to the verifier, which
//! would else follow every number from step to step.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_coarse_ns, bpf_loop};
use berth_common::{
    abi::{
        guard::BucketKey,
        rules::{Line, MAX_LINES, external::Set, header, interface},
        units::{ContainerId, Nanos, Protocol},
    },
    engine::{
        Headers,
        cached::{self, Hits, Scope},
        classify::{self, Answer, External, Lines as _, MAX_STEPS, Question, State, Surroundings, Walk},
        external::{
            connlimit::Connection,
            recent::{Look, Sight},
        },
        headers::Kind,
        question::{self, Circumstances},
        rules::{Case, Ruling},
        set::Search,
        tables::Word as _,
    },
    wire::{Packet as _, ether},
};

use crate::{
    atomic::{self, MapWord},
    event,
    flow::MapFlow,
    hooks::control::CALLBACKS,
    maps::SCRATCH,
    packet::Skb,
    seams, sets,
    shelves::{InScratch, NoShelf, Shelf, Shelved},
    tables::config,
};

/// How many walks may be under way on one processor: one in softirq, and those of tasks that were preempted in theirs.
pub const SCRATCHES: usize = 16;

/// What a walk needs beside the ruleset.
#[repr(C)]
pub struct Scratch {
    /// Not zero while a walk has it.
    taken: u64,
    /// What is asked.
    pub question: Question,
    /// Of the walk.
    pub state: State,
    /// Where on its shelf the ruleset begins.
    pub first: u32,
    search: Search,
    /// What a check looks up: there is little room for it on the stack.
    pub bucket: BucketKey,
    /// What a check holds against a list.
    pub sight: Sight,
    /// What the list was found to have.
    pub look: Look,
    /// What a connlimit is asked.
    pub connection: Connection,
    /// Not zero if a connlimit has counted the packet's flow, which is new.
    pub is_counted: u32,
    packet: About,
}

/// The packet, as far as a walk must know more of it than the question, and what the walk says of it. In one place, so that
/// there is one pointer to it on the stack.
#[repr(C)]
struct About {
    headers: Headers,
    logs: Logs,
    /// What it has counted in.
    hits: Hits,
}

/// Most rules that may log one packet; others that would do so too are passed over.
pub const MAX_LOGS: usize = 8;

/// What a walk has logged: told when it is over, since there is no stack left below it.
#[repr(C)]
struct Logs {
    count: u32,
    entries: [Logged; MAX_LOGS],
}

/// A rule logs the packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Logged {
    /// The rule's id in its ruleset.
    pub id: u32,
    /// Lower half of the ruleset's stamp.
    pub ruleset: u32,
    /// The packet's mark at that moment.
    pub mark: u32,
}

/// Ethernet: where the source address begins in the header, and how long the header is.
const SOURCE_MAC: u32 = 6;
const ETHERNET_HEADER: u16 = 14;

/// How a walk stands after a turn.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has ended.
    Over = 0,
    /// It has ended, and rules log the packet.
    Logged = 1,
    /// It waits for an answer.
    Waits = 2,
}

/// Asks the rules of a container about the packet, the question about which is in the scratch at `place`. Where the walk has to
/// wait for an answer, it goes on when this is called again.
#[inline(always)]
pub fn answer(skb: Skb, container: ContainerId, place: u32) -> Turn {
    let Some(scratch) = SCRATCH.get_ptr_mut(place) else { return Turn::Over };
    // SAFETY: A value of a map, which nobody else on this processor uses while it is taken.
    let (question, state, hits, first) = unsafe {
        (&(*scratch).question, &mut (*scratch).state, &mut (*scratch).packet.hits, &mut (*scratch).first)
    };
    match Shelved::of(container) {
        Ok(Some(lines)) => {
            *first = lines.first;
            // Rules that were replaced while the walk waited are walked no further: the packet meets the new ones from the
            // beginning, so that what becomes of it is what one ruleset says.
            let goes = (state.was_told() && state.is_in(&lines)) || {
                *hits = Hits::NONE;
                classify::begin(&lines, question, state)
            };
            // Asked here, too, since this is verified by itself.
            if goes && CALLBACKS.load() != 0 {
                let mut way = Way { shelf: lines.shelf, scratch, skb };
                // SAFETY: The callback gets the context that is given here, which outlives the call.
                unsafe { bpf_loop(MAX_STEPS, take_step as *mut c_void, (&raw mut way).cast(), 0) };
            }
        }
        // They have just been taken away.
        Ok(None) => state.pass(question),
        Err(NoShelf) => state.fail(question),
    }
    if waits(place) {
        return Turn::Waits;
    }
    // SAFETY: As above.
    if unsafe { (*scratch).packet.logs.count } == 0 { Turn::Over } else { Turn::Logged }
}

/// Reports what the walk has logged.
#[inline(always)]
pub fn report(skb: Skb, case: &Case, place: u32) {
    let Some(scratch) = SCRATCH.get_ptr_mut(place) else { return };
    // SAFETY: As above.
    let (question, About { headers, logs, .. }) = unsafe { (&(*scratch).question, &(*scratch).packet) };
    for (logged, number) in logs.entries.iter().zip(0..) {
        if number >= logs.count {
            break;
        }
        event::logged((skb, headers), case, question, logged);
    }
}

/// Begins the walk for such a question, where the kernel does not call back; tells whether there are [steps](step) to
/// take, at most [`MAX_STEPS`].
#[inline(always)]
pub fn begin(container: ContainerId, place: u32) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(place) else { return false };
    // SAFETY: As above.
    let (question, state) = unsafe { (&(*scratch).question, &mut (*scratch).state) };
    match Shelved::of(container) {
        Ok(Some(lines)) => return classify::begin(&lines, question, state),
        Ok(None) => state.pass(question),
        Err(NoShelf) => state.fail(question),
    }
    false
}

/// Takes a step; tells whether the walk goes on, or [waits](State::is_waiting). Where the rules have been replaced meanwhile it ends without a decision,
/// so that the packet is dropped: it must not meet halves of two rulesets.
#[inline(always)]
pub fn step(skb: Skb, container: ContainerId, place: u32) -> bool {
    let (Ok(Some(Shelved { shelf, first })), Some(scratch)) =
        (Shelved::of(container), SCRATCH.get_ptr_mut(place))
    else {
        return false;
    };
    let lines = Shelved { shelf, first: InScratch(scratch) };
    // SAFETY: As above.
    let Scratch { question, state, search, packet, first: kept, .. } = unsafe { &mut *scratch };
    *kept = first;
    let question = &*question;
    let surroundings = Kernel { skb, question, search, packet };
    state.is_in(&lines) && Walk { lines: &lines, surroundings, question, state }.step()
}

/// Whether the walk waits for an answer.
#[inline(always)]
pub fn waits(place: u32) -> bool {
    // SAFETY: As above.
    SCRATCH.get_ptr_mut(place).is_some_and(|scratch| unsafe { (*scratch).state.is_waiting() })
}

/// What the walk at `place` has; nothing if there is no such place.
#[inline(always)]
pub fn scratch<'a>(place: u32) -> Option<&'a mut Scratch> {
    // SAFETY: A value of a map, which nobody else on this processor uses while the walk has it.
    SCRATCH.get_ptr_mut(place).map(|scratch| unsafe { &mut *scratch })
}

/// The walk at `place` is told an answer.
#[inline(always)]
pub fn tell(place: u32, answer: Answer) {
    if let Some(scratch) = scratch(place) {
        scratch.state.give(answer);
    }
}

/// Where the ruleset that a walk has gone through has what a flow is translated to: the line, and some bits of the ruleset's stamp.
#[derive(Clone, Copy)]
pub struct Aim(u64);

impl Aim {
    /// Nothing is translated.
    pub const NONE: Self = Self(0);

    const LINE_BITS: u32 = MAX_LINES.trailing_zeros();
    /// How many bits it takes.
    pub const BITS: u32 = 47;

    #[inline(always)]
    const fn new(line: u32, stamp: u64) -> Self {
        if line == 0 { Self::NONE } else { Self(line as u64 | Self::stamp_bits(stamp) << Self::LINE_BITS) }
    }

    #[inline(always)]
    const fn stamp_bits(stamp: u64) -> u64 {
        stamp & ((1 << (Self::BITS - Self::LINE_BITS)) - 1)
    }

    /// Whether nothing is.
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// As a number of so many bits.
    #[inline(always)]
    pub const fn to_number(self) -> u64 {
        self.0
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its line in a container's rules; nothing if they have been replaced since.
    #[inline(always)]
    pub fn line(self, container: ContainerId) -> Option<&'static Line> {
        let Ok(Some(lines)) = Shelved::of(container) else { return None };
        let stamp = header::generation(lines.line(0)?);
        if Self::stamp_bits(stamp) != self.0 >> Self::LINE_BITS {
            return None;
        }
        lines.shelf.get(lines.first.wrapping_add(self.0 as u32 & (MAX_LINES - 1)))
    }
}

/// Ends the walk: the packet gets its mark, and the scratch is free again.
#[inline(always)]
pub fn finish(skb: Skb, place: u32) -> (Ruling, Aim) {
    let Some(scratch) = SCRATCH.get_ptr_mut(place) else { return (Ruling::BUSY, Aim::NONE) };
    // SAFETY: As above.
    let (outcome, mark, is_counted) =
        unsafe { ((*scratch).state.finish(), (*scratch).question.mark, (*scratch).is_counted != 0) };
    // SAFETY: As above.
    let aim = Aim::new(outcome.target, unsafe { (*scratch).state.generation() });
    let ruling = Ruling { is_counted, ..outcome.ruling() };
    if outcome.mark != mark {
        // SAFETY: A field of the program's context.
        unsafe { (*skb.0).mark = outcome.mark };
    }
    // SAFETY: As above.
    unsafe { (&raw mut (*scratch).taken).write_volatile(0) };
    (ruling, aim)
}

/// Takes a scratch and puts the question into it. Its place; none that there is if all are taken.
#[inline(always)]
pub fn question(skb: Skb, headers: &Headers, case: &Case) -> u32 {
    for place in 0..SCRATCHES as u32 {
        let Some(scratch) = SCRATCH.get_ptr_mut(place) else { break };
        // SAFETY: An aligned word of the value just looked up.
        let is_taken = unsafe {
            let taken = &raw mut (*scratch).taken;
            // Only TC has to do with interfaces of containers' own.
            if case.own_interface() { atomic::take_alone(taken) } else { MapWord::new(taken).swap(0, 1) }
        };
        if is_taken {
            // SAFETY: Nobody else on this processor uses it while it is taken.
            let Scratch { question, packet, is_counted, .. } = unsafe { &mut *scratch };
            *is_counted = 0;
            packet.headers = *headers;
            packet.logs.count = 0;
            packet.hits = Hits::NONE;
            question.fill(&skb, headers, case, &circumstances(skb, headers, case));
            return place;
        }
    }
    u32::MAX
}

#[inline(always)]
fn circumstances(skb: Skb, headers: &Headers, case: &Case) -> Circumstances {
    // SAFETY: Fields of the program's context.
    let (mark, kind) = unsafe { ((*skb.0).mark, (*skb.0).pkt_type) };
    let alone = if case.own_interface() { case.container } else { ContainerId::HOST };
    let (source_type, destination_type) =
        if case.asks_types { seams::address_types(headers, alone) } else { (0, 0) };
    let packet_type = match (case.own_interface(), case.chain.is_inward()) {
        // To the node it is one that it sends itself, or that is for another: what the container sees is in the frame.
        (true, true) if headers.network >= ETHERNET_HEADER => ether::packet_type(&skb),
        (true, _) => 0,
        (false, _) => kind as u8,
    };
    Circumstances {
        mark,
        length: skb.length(headers),
        interface: interface(skb, case),
        packet_type,
        source_type,
        destination_type,
    }
}

/// Where the packet is, as rules know it.
#[inline(always)]
fn interface(skb: Skb, case: &Case) -> u32 {
    if case.own_interface() { interface::OWN } else { skb.ifindex() }
}

/// The packets that a verdict on this one holds for.
#[inline(always)]
fn scope(skb: Skb, case: &Case) -> Scope<'_> {
    Scope { case, interface: if case.own_interface() { 0 } else { skb.ifindex() } }
}

/// Whether flows keep verdicts. One that ends keeps none, since there may be more to do.
#[inline(always)]
fn keeps_verdicts(case: &Case) -> bool {
    !case.ends && config().is_some_and(|config| config.keep_verdicts != 0)
}

/// As [`cached::replay`].
#[inline(always)]
pub fn replay(skb: Skb, headers: &Headers, case: &Case, flow: MapFlow) -> bool {
    if !keeps_verdicts(case) {
        return false;
    }
    let Ok(Some(lines)) = Shelved::of(case.container) else { return false };
    let length = || question::length(&skb, headers, skb.length(headers));
    cached::replay(&lines, &flow, &scope(skb, case), length)
}

/// As [`cached::remember`], of the walk at `place`.
#[inline(always)]
pub fn remember(skb: Skb, case: &Case, place: u32, flow: MapFlow) {
    if !keeps_verdicts(case) {
        return;
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(place) else { return };
    // SAFETY: A value of a map, which nobody else on this processor uses while the walk has it.
    let Scratch { state, question, packet, .. } = unsafe { &*scratch };
    let outcome = state.outcome();
    cached::remember(&flow, &scope(skb, case), state.generation(), (&outcome, question.mark), packet.hits);
}

/// What rules ask of the kernel.
struct Kernel<'a> {
    skb: Skb,
    question: &'a Question,
    search: &'a mut Search,
    packet: &'a mut About,
}

impl Surroundings for Kernel<'_> {
    #[inline(always)]
    fn now(&mut self) -> Nanos {
        // SAFETY: The helper has no preconditions.
        Nanos(unsafe { bpf_ktime_get_coarse_ns() })
    }

    #[inline(always)]
    fn random(&mut self) -> u32 {
        // SAFETY: The helper has no preconditions.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn source_mac(&mut self) -> Option<u64> {
        if self.packet.headers.network < ETHERNET_HEADER {
            return None;
        }
        let [upper, lower] = self.skb.words::<2>(SOURCE_MAC)?;
        Some((u32::from_be(upper) as u64) << 16 | (u32::from_be(lower) >> 16) as u64)
    }

    #[inline(always)]
    fn has_tcp_option(&mut self, kind: u8) -> Option<bool> {
        let headers = &self.packet.headers;
        let has_header = headers.protocol == Protocol::TCP && headers.kind == Kind::Ports;
        if has_header { seams::tcp_option(self.skb, headers.transport, kind) } else { None }
    }

    #[inline(always)]
    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool> {
        sets::in_set(self.search, self.question, number, asked)
    }

    /// There is little stack left below a step.
    #[inline(always)]
    fn external(&mut self, _: &External) -> Answer {
        Answer::Later
    }

    #[inline(always)]
    fn counted(&mut self, counter: u32) {
        self.packet.hits = self.packet.hits.and(counter);
    }

    #[inline(always)]
    fn log(&mut self, id: u32, ruleset: u32, mark: u32) {
        let logs = &mut self.packet.logs;
        let place = core::hint::black_box(logs.count) as usize;
        if let Some(logged) = logs.entries.get_mut(place) {
            *logged = Logged { id, ruleset, mark };
            logs.count = logs.count.wrapping_add(1);
        }
    }
}

/// What a step needs: less than the walk that is made of it, since there is little room on the stack.
struct Way {
    shelf: &'static Shelf,
    scratch: *mut Scratch,
    skb: Skb,
}

unsafe extern "C" fn take_step(_: u32, way: *const Way) -> i64 {
    // SAFETY: The helper hands on what it was given.
    let Way { shelf, scratch, skb } = unsafe { &*way };
    // SAFETY: A value of a map, which nobody else on this processor uses while it is taken.
    let Scratch { question, state, search, packet, .. } = unsafe { &mut **scratch };
    let (question, lines) = (&*question, Shelved { shelf, first: InScratch(*scratch) });
    let surroundings = Kernel { skb: *skb, question, search, packet };
    i64::from(!Walk { lines: &lines, surroundings, question, state }.step())
}
