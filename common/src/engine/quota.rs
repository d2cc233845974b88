//! Quotas: what is held never exceeds the limit.

use super::{
    classify::limit,
    flow_table::FlowTable,
    tables::{Tables, UsageWord, Word},
};
use crate::abi::{container::Held, units::ContainerId};

/// Control packets a container may send in a second. A DHCP client, DAD and MLD on a node with many addresses stay
/// far below; a flood does not.
const CONTROL_PER_SECOND: u32 = 64;

/// Notices of rejected packets that may be sent for a container: so many at once (net.ipv4.icmp_msgs_burst is 50, for all of
/// a node's errors), and one more in so many nanoseconds (net.ipv4.icmp_msgs_per_sec is 1,000).
const NOTICES: u64 = 250;
const NOTICE_COST: u64 = 1_000_000;

/// Charges one port reservation to `id`; false if that is more than `limit`.
#[inline(always)]
pub fn take_port<T: Tables>(tables: &T, id: ContainerId, limit: u32) -> bool {
    let words = [UsageWord::PortsHeld, UsageWord::PortsMax, UsageWord::PortsFailed];
    Account::new(tables, id, limit, words).is_some_and(|account| account.take())
}

/// Gives a port reservation of `id` back.
#[inline(always)]
pub fn give_port<T: Tables>(tables: &T, id: ContainerId) {
    if let Some(held) = tables.usage(id, UsageWord::PortsHeld) {
        held.add(u64::MAX);
    }
}

/// Whether `id` may send one more control packet in this second.
#[inline(always)]
pub fn control_allowed<T: Tables>(tables: &T, id: ContainerId) -> bool {
    let Some(word) = tables.usage(id, UsageWord::Control) else {
        return false;
    };
    let second = tables.now().0.wrapping_shr(30) << 32;
    let old = word.load();
    if old & !(u32::MAX as u64) == second {
        return (word.add(1) as u32) < CONTROL_PER_SECOND;
    }
    // Losing the race costs the loser one packet of the new second's budget, nothing else.
    word.swap(old, second.wrapping_add(1))
}

/// Whether the sender of one more packet that the rules of `id` reject may be told.
#[inline(always)]
pub fn notice_allowed<T: Tables>(tables: &T, id: ContainerId) -> bool {
    match tables.usage(id, UsageWord::Notices) {
        Some(full_at) => limit::take(full_at, tables.now(), NOTICE_COST, NOTICE_COST * (NOTICES - 1)),
        None => false,
    }
}

/// Forgets what `id` has used, but for its flows.
#[inline(always)]
pub fn forget<T: FlowTable>(tables: &T, id: ContainerId) {
    for word in UsageWord::FORGOTTEN {
        if let Some(word) = tables.usage(id, word) {
            word.add(0_u64.wrapping_sub(word.load()));
        }
    }
}

const SECOND: u64 = 1_000_000_000;

/// Whether `id` may begin one more flow in this second, in which it may begin so many as `rate`; zero is any number. It may
/// begin as many at once.
#[inline(always)]
pub fn new_flow_allowed<T: FlowTable>(tables: &T, id: ContainerId, rate: u32) -> bool {
    if rate == 0 {
        return true;
    }
    let cost = SECOND.checked_div(rate as u64).unwrap_or(0);
    match tables.usage(id, UsageWord::NewFlows) {
        Some(full_at) => limit::take(full_at, tables.now(), cost, SECOND.wrapping_sub(cost)),
        None => false,
    }
}

/// Where something that a container may hold so much of is counted.
#[derive(Clone, Copy)]
pub struct Account<W> {
    held: W,
    max: W,
    failed: W,
    limit: u32,
}

impl<W: Word> Account<W> {
    /// The words of `id`: held, most ever held, refused.
    #[inline(always)]
    pub fn new<T: FlowTable<Word = W> + ?Sized>(
        tables: &T,
        id: ContainerId,
        limit: u32,
        words: [UsageWord; 3],
    ) -> Option<Self> {
        let [held, max, failed] = words;
        let (held, max) = (tables.usage(id, held)?, tables.usage(id, max)?);
        Some(Self { held, max, failed: tables.usage(id, failed)?, limit })
    }

    /// Charges one more; if that is more than the limit, it has failed.
    #[inline(always)]
    pub fn take(&self) -> bool {
        let now_held = Held(self.held.add(1).wrapping_add(1));
        if now_held.balance() as i64 > self.limit as i64 {
            self.give();
            self.fail();
            return false;
        }
        note(&self.max, now_held);
        true
    }

    /// One more was asked for than there may be.
    #[inline(always)]
    pub fn fail(&self) {
        self.failed.add(1);
    }

    /// Gives one back.
    #[inline(always)]
    pub fn give(&self) {
        self.give_back(1);
    }

    /// Gives so many back.
    #[inline(always)]
    pub fn give_back(&self, count: u64) {
        self.held.add(0_u64.wrapping_sub(count));
    }
}

/// So many are held, which may be the most ever.
#[inline(always)]
pub fn note<W: Word>(max: &W, held: Held) {
    let (old, now) = (max.load(), held.count());
    // A lost race leaves the other's value, which was as true a moment ago.
    if now > old {
        max.swap(old, now);
    }
}
