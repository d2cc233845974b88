//! Connections, segment by segment. Sequence numbers are told from the initial ones.

use berth_common::{
    abi::flow::Phase,
    engine::tcp::{Connection, Facts, Lasts, Options, Segment, Step, Whole},
    wire::tcp::{ACK, FIN, RST, SYN},
};

/// Initial sequence numbers; the opener's wraps soon.
const OPENER: u32 = 0xffff_ff00;
const RESPONDER: u32 = 5_000;
const WINDOW: u16 = 1_000;

/// Side the opener, or to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Opener,
    Responder,
}
use Side::{Opener, Responder};

/// A connection as its flow would have it.
struct Seen {
    connection: Connection,
    facts: Facts,
}

impl Seen {
    /// Begun by a segment from the opener.
    fn begun(segment: Segment) -> Self {
        let mut seen = Self { connection: Connection::NEW, facts: Facts(0) };
        seen.connection.begin(&segment);
        assert_eq!(seen.meet(Opener, segment).0, Step::Moved);
        seen
    }

    /// Open, by a handshake without options.
    fn open() -> Self {
        let mut seen = Self::begun(syn());
        assert_eq!(seen.meet(Responder, syn_ack()).0, Step::Moved);
        assert_eq!(seen.meet(Opener, segment(Opener, ACK, 1, 0, 1)), (Step::Assured, Lasts::Phase));
        assert_eq!(seen.connection.phase, Phase::Established);
        seen
    }

    fn meet(&mut self, from: Side, segment: Segment) -> (Step, Lasts) {
        let facts = self.facts.with(Facts::FROM_OPENER, from == Opener);
        let result = self.connection.meet(&Whole, &segment, facts);
        let answers = from == Responder && result.0 != Step::Invalid;
        self.facts =
            self.facts.with(Facts::ASSURED, result.0 == Step::Assured).with(Facts::ANSWERED, answers);
        result
    }

    fn phase(&self) -> Phase {
        self.connection.phase
    }
}

/// A segment of so many bytes. The numbers are those of its sender and receiver, from the initial ones on.
fn segment(from: Side, flags: u8, sequence: u32, bytes: u32, acknowledgement: u32) -> Segment {
    let (own, other) = if from == Opener { (OPENER, RESPONDER) } else { (RESPONDER, OPENER) };
    let sequence = own.wrapping_add(sequence);
    let extra = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let acknowledgement = if flags & ACK != 0 { other.wrapping_add(acknowledgement) } else { 0 };
    Segment {
        sequence,
        end: sequence.wrapping_add(bytes + extra),
        acknowledgement,
        selective: acknowledgement,
        window: WINDOW,
        options: Options::default(),
        flags,
    }
}

fn syn() -> Segment {
    segment(Opener, SYN, 0, 0, 0)
}

fn syn_ack() -> Segment {
    segment(Responder, SYN | ACK, 0, 0, 1)
}

#[test]
fn a_connection_opens_and_closes() {
    let mut seen = Seen::open();
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 1, 500, 1)), (Step::Assured, Lasts::Unacknowledged));
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 0, 501)), (Step::Assured, Lasts::Phase));
    assert_eq!(seen.meet(Opener, segment(Opener, FIN | ACK, 501, 0, 1)).0, Step::Moved);
    assert_eq!(seen.phase(), Phase::FinWait);
    seen.meet(Responder, segment(Responder, ACK, 1, 0, 502));
    assert_eq!(seen.phase(), Phase::CloseWait);
    // The other end may go on as long as it likes.
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 400, 502)).0, Step::Moved);
    seen.meet(Responder, segment(Responder, FIN | ACK, 401, 0, 502));
    assert_eq!(seen.phase(), Phase::LastAck);
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 502, 0, 402)), (Step::Moved, Lasts::Phase));
    assert_eq!(seen.phase(), Phase::TimeWait);
    // The same ends again.
    assert_eq!(seen.meet(Opener, segment(Opener, SYN, 9_000, 0, 0)).0, Step::Reopens);
}

#[test]
fn what_comes_first_must_make_sense() {
    let mut seen = Seen::begun(syn());
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 1, 0, 1)).0, Step::Invalid);
    assert_eq!(seen.meet(Responder, segment(Responder, FIN | ACK, 1, 0, 1)).0, Step::Invalid);
    assert_eq!(seen.phase(), Phase::SynSent);
    // One who tries again and again keeps nothing alive.
    assert_eq!(seen.meet(Opener, syn()), (Step::Moved, Lasts::Unchanged));
    // Nobody is there.
    assert_eq!(seen.meet(Responder, segment(Responder, RST | ACK, 0, 0, 1)).0, Step::Ends);
}

#[test]
fn both_ends_may_begin_at_once() {
    let mut seen = Seen::begun(syn());
    assert_eq!(seen.meet(Responder, segment(Responder, SYN, 0, 0, 0)).0, Step::Moved);
    assert_eq!(seen.phase(), Phase::SynSent2);
    assert_eq!(seen.meet(Opener, segment(Opener, SYN | ACK, 0, 0, 1)).0, Step::Moved);
    assert_eq!(seen.phase(), Phase::SynRecv);
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 0, 1)).0, Step::Assured);
    assert_eq!(seen.phase(), Phase::Established);
}

#[test]
fn data_must_be_in_the_window() {
    let mut seen = Seen::open();
    let data = |sequence| segment(Opener, ACK, sequence, 100, 1);
    // The responder has offered up to 1,001; what begins behind that is nobody's, unless it is near.
    assert_eq!(seen.meet(Opener, data(1_001)).0, Step::Assured);
    let mut seen = Seen::open();
    assert_eq!(seen.meet(Opener, data(1_100)).0, Step::Ignored);
    let mut seen = Seen::open();
    assert_eq!(seen.meet(Opener, data(3_000)).0, Step::Invalid);
    // What has long been acknowledged is old, and does no harm.
    for number in 0..4 {
        seen.meet(Opener, segment(Opener, ACK, 1 + 900 * number, 900, 1));
        seen.meet(Responder, segment(Responder, ACK, 1, 0, 901 + 900 * number));
    }
    assert_eq!(seen.meet(Opener, data(1)).0, Step::Ignored);
    // Nobody has sent what this acknowledges.
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 0, 5_000)).0, Step::Invalid);
}

#[test]
fn windows_scale_if_both_ends_say_so() {
    let offer = |scale: u16| Options(Options::PRESENT | Options::SCALES | scale);
    let open = |responder: Options| {
        let mut seen = Seen::begun(Segment { options: offer(7), ..syn() });
        seen.meet(Responder, Segment { options: responder, ..syn_ack() });
        seen.meet(Opener, segment(Opener, ACK, 1, 0, 1));
        seen.meet(Responder, segment(Responder, ACK, 1, 0, 1));
        seen
    };
    let far = segment(Opener, ACK, 100_000, 100, 1);
    assert_eq!(open(offer(8)).meet(Opener, far).0, Step::Assured);
    assert_eq!(open(Options(Options::PRESENT)).meet(Opener, far).0, Step::Invalid);
}

#[test]
fn resets_must_be_exact_where_there_is_much_to_lose() {
    let reset = |sequence| segment(Opener, RST, sequence, 0, 0);
    let seen = || {
        let mut seen = Seen::open();
        seen.meet(Responder, segment(Responder, ACK, 1, 0, 1));
        seen
    };
    let mut exact = seen();
    assert_eq!(exact.meet(Opener, reset(1)), (Step::Moved, Lasts::Reset));
    assert_eq!(exact.phase(), Phase::Close);
    // In the window, but not exact: its receiver will challenge it.
    let mut near = seen();
    assert_eq!(near.meet(Opener, reset(50)).0, Step::Assured);
    assert_eq!(near.phase(), Phase::Established);
    // Before what was acknowledged.
    let mut old = seen();
    assert_eq!(old.meet(Opener, reset(0)).0, Step::Invalid);
    let mut far = seen();
    assert_eq!(far.meet(Opener, reset(5_000)).0, Step::Invalid);
    assert_eq!(far.phase(), Phase::Established);
}

#[test]
fn two_that_close_outside_of_the_window_shorten_its_life() {
    let mut seen = Seen::open();
    assert_eq!(seen.meet(Opener, segment(Opener, FIN | ACK, 9_000, 0, 1)), (Step::Invalid, Lasts::Unchanged));
    let answer = segment(Responder, FIN | ACK, 9_000, 0, 1);
    assert_eq!(seen.meet(Responder, answer), (Step::Invalid, Lasts::Shortened));
}

#[test]
fn a_syn_on_an_open_connection_may_be_right() {
    let mut seen = Seen::open();
    let syn =
        Segment { options: Options(Options::PRESENT | Options::SACK), ..segment(Opener, SYN, 70_000, 0, 0) };
    assert_eq!(seen.meet(Opener, syn), (Step::Ignored, Lasts::Unchanged));
    // The other end agrees: they have begun anew, and berth had not seen it.
    let answer = segment(Responder, SYN | ACK, 90_000, 0, 70_001);
    assert_eq!(seen.meet(Responder, answer).0, Step::Moved);
    assert_eq!(seen.phase(), Phase::SynRecv);
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 70_001, 0, 90_001)).0, Step::Assured);
    // Or else it says so, and nothing has happened.
    let mut seen = Seen::open();
    seen.meet(Opener, syn);
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 0, 1)).0, Step::Assured);
    assert_eq!(seen.phase(), Phase::Established);
}

#[test]
fn a_challenge_acknowledges_no_fin() {
    let mut seen = Seen::open();
    seen.meet(Opener, segment(Opener, FIN | ACK, 1, 0, 1));
    seen.meet(Responder, segment(Responder, FIN | ACK, 1, 0, 2));
    assert_eq!(seen.phase(), Phase::LastAck);
    seen.meet(Opener, segment(Opener, SYN, 50_000, 0, 0));
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 2, 0, 2)), (Step::Ignored, Lasts::Unchanged));
    assert_eq!(seen.phase(), Phase::LastAck);
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 2, 0, 2)).0, Step::Moved);
    assert_eq!(seen.phase(), Phase::TimeWait);
}

#[test]
fn a_connection_is_picked_up_in_mid_stream() {
    let mut seen = Seen::begun(segment(Opener, ACK, 700, 100, 300));
    assert_eq!(seen.phase(), Phase::Established);
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 300, 50, 800)).0, Step::Moved);
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 800, 0, 350)).0, Step::Assured);
    // How its windows scale was not seen, so nothing is far.
    assert_eq!(seen.meet(Opener, segment(Opener, ACK, 900_000, 100, 350)).0, Step::Assured);
}

#[test]
fn one_that_repeats_itself_or_waits_lasts_less() {
    let mut seen = Seen::open();
    let same = segment(Opener, ACK, 1, 0, 1);
    let lasts: Vec<Lasts> = (0..4).map(|_| seen.meet(Opener, same).1).collect();
    assert_eq!(lasts, [Lasts::Phase, Lasts::Phase, Lasts::Repeating, Lasts::Repeating]);
    let mut seen = Seen::open();
    let stop = Segment { window: 0, ..segment(Responder, ACK, 1, 0, 1) };
    assert_eq!(seen.meet(Responder, stop).1, Lasts::Repeating);
    assert_eq!(seen.meet(Responder, segment(Responder, ACK, 1, 0, 1)).1, Lasts::Phase);
}
