//! A bucket of tokens for each kind of packet (net/netfilter/xt_hashlimit.c).

use super::{BucketWords, Guards, account, give, ports};
use crate::{
    abi::{
        address::Address,
        guard::{Bucket, BucketKey, ObjectKey},
        rules::external::{Hashlimit, HashlimitEnd},
        units::{Nanos, Port},
    },
    engine::{
        classify::{Answer, limit},
        headers::Headers,
        tables::{InsertError, Word},
    },
    wire::Packet,
};

const MILLISECOND: u64 = 1_000_000;

/// The kind of a packet. Nothing where its ports are cut off.
#[inline(always)]
pub fn key<P: Packet>(
    object: ObjectKey,
    (packet, headers): (&P, &Headers),
    asked: &Hashlimit,
) -> Option<BucketKey> {
    let asks_ports = asked.source.port || asked.destination.port;
    let (source, destination) = if asks_ports { ports(packet, headers)? } else { (Port(0), Port(0)) };
    Some(BucketKey {
        object,
        source: address(&headers.source, &asked.source),
        destination: address(&headers.destination, &asked.destination),
        source_port: if asked.source.port { source } else { Port(0) },
        destination_port: if asked.destination.port { destination } else { Port(0) },
    })
}

#[inline(always)]
fn address(address: &Address, end: &HashlimitEnd) -> Address {
    address.masked(if end.address { end.prefix } else { 0 })
}

/// Takes a token of the packet's kind, and answers whether there was one, or was none, as asked.
#[inline(always)]
pub fn ask<G: Guards>(guards: &G, key: &BucketKey, asked: &Hashlimit) -> Answer {
    let now = guards.now();
    let expires = now.after(Nanos((asked.expire as u64).saturating_mul(MILLISECOND)));
    let answer = |has_token: bool| Answer::from(has_token != asked.above);
    if let Some(bucket) = guards.bucket(key) {
        return answer(spend(&bucket, now, expires, asked));
    }
    // A new one is full.
    let new = Bucket { full_at: now.0.saturating_add(asked.cost), expires };
    match begin(guards, key, &new) {
        Answer::Yes => answer(true),
        // Another processor has just begun it.
        Answer::No => match guards.bucket(key) {
            Some(bucket) => answer(spend(&bucket, now, expires, asked)),
            None => Answer::TableFull,
        },
        refused => refused,
    }
}

#[inline(always)]
fn begin<G: Guards>(guards: &G, key: &BucketKey, new: &Bucket) -> Answer {
    let Some(account) = account(guards, key.object.container) else { return Answer::OverQuota };
    if !account.take() {
        return Answer::OverQuota;
    }
    match guards.insert_bucket(key, new) {
        Ok(()) => Answer::Yes,
        Err(error) => {
            account.give();
            match error {
                InsertError::Exists => Answer::No,
                InsertError::Full => Answer::TableFull,
            }
        }
    }
}

/// Takes a token out of a bucket, which begins anew if it has expired. One that is just being deleted would begin anew, and
/// have one; nothing is taken, since nothing is kept.
#[inline(always)]
fn spend<W: Word>(bucket: &BucketWords<W>, now: Nanos, expires: Nanos, asked: &Hashlimit) -> bool {
    let old = bucket.expires.load();
    if old == 0 {
        return true;
    }
    if old <= now.0 {
        // Whoever loses the race to begin it anew finds it begun.
        let full_at = bucket.full_at.load();
        if bucket.expires.swap(old, expires.0) && full_at > now.0 {
            bucket.full_at.swap(full_at, now.0);
        }
    } else if old < expires.0 {
        bucket.expires.swap(old, expires.0);
    }
    // Of a bucket from before the rate was changed: it has no token, and no more debt than that.
    let (debt, most) = (bucket.full_at.load(), now.0.saturating_add(asked.room).saturating_add(asked.cost));
    if debt > most {
        bucket.full_at.swap(debt, most);
    }
    limit::take(bucket.full_at, now, asked.cost, asked.room)
}

/// Marks a bucket for deletion if it has expired, or if nobody asks for it any more; the caller alone may delete it then.
/// Its container's quota is given back.
#[inline(always)]
pub fn retire<G: Guards>(guards: &G, object: &ObjectKey, bucket: &BucketWords<G::Word>) -> bool {
    let old = bucket.expires.load();
    let goes = old != 0 && (old <= guards.now().0 || !guards.has_object(object));
    if !goes || !bucket.expires.swap(old, 0) {
        return false;
    }
    give(guards, object, 1);
    true
}
