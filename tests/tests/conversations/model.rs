//! What berth says.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use berth_common::engine::tcp::{Connection, Facts, Kind, Lasts, Packed, Phase, Segment, Step};
use berth_common::memory::Bytes;

use crate::router::{Judged, State};

/// The connection between the two ends, if there is one.
#[derive(Debug, Default)]
pub struct Model(Option<Flow>);

#[derive(Debug)]
struct Flow {
    /// As a flow would keep it.
    packed: Packed,
    facts: Facts,
    /// The left end has opened it.
    by_left: bool,
    /// When it ends, unless more comes.
    until: Instant,
}

impl Model {
    /// What is said of a packet, and of the connection after it.
    pub fn judge(&mut self, packet: &[u8], from_left: bool) -> Result<Judged> {
        let state = self.meet(packet, from_left)?;
        let connection = self.0.as_ref().map(|flow| crate::router::Connection {
            phase: name(flow.connection().phase).to_owned(),
            is_assured: flow.facts.is_assured,
            is_answered: flow.facts.is_answered,
            lasts: flow.left(),
        });
        Ok(Judged { state, connection })
    }

    fn meet(&mut self, packet: &[u8], from_left: bool) -> Result<State> {
        let bytes = Bytes(packet);
        let headers = bytes.in_packet().context("no packet")?;
        let Some(segment) = Segment::read(&bytes, &headers, 0) else { return Ok(State::Invalid) };
        if let Some(flow) = &mut self.0 {
            let from_opener = from_left == flow.by_left;
            let mut connection = flow.connection();
            let segment = connection.selecting(segment, (&bytes, &headers), from_opener);
            let (step, lasts) = connection.meet(&segment, from_opener, flow.facts);
            flow.packed = connection.pack();
            let state = if from_opener && !flow.facts.is_answered { State::New } else { State::Established };
            flow.last(lasts);
            match step {
                Step::Invalid => return Ok(State::Invalid),
                Step::Ends => {
                    self.0 = None;
                    return Ok(state);
                }
                Step::Reopens => {}
                Step::Moved | Step::Ignored | Step::Assured => {
                    flow.facts.is_assured |= step == Step::Assured;
                    flow.facts.is_answered |= !from_opener;
                    return Ok(state);
                }
            }
        }
        if !matches!(segment.kind(), Kind::Syn | Kind::Ack) {
            self.0 = None;
            return Ok(State::Invalid);
        }
        let facts = Facts { is_answered: false, is_assured: false, is_liberal: false };
        let mut connection = Connection::begin(&segment);
        let segment = connection.selecting(segment, (&bytes, &headers), true);
        let (step, lasts) = connection.meet(&segment, true, facts);
        let mut flow = Flow { packed: connection.pack(), facts, by_left: from_left, until: Instant::now() };
        anyhow::ensure!(step == Step::Moved, "the first segment is {step:?}");
        flow.last(lasts);
        self.0 = Some(flow);
        Ok(State::New)
    }
}

impl Flow {
    fn connection(&self) -> Connection {
        Connection::unpack(&self.packed)
    }

    fn last(&mut self, lasts: Lasts) {
        let own = seconds(self.connection().phase);
        let seconds = match lasts {
            Lasts::Unchanged => return,
            Lasts::Phase => own,
            Lasts::Reset => seconds(Phase::Close),
            Lasts::Unacknowledged | Lasts::Repeating => own.min(300),
            Lasts::Shortened if self.left() < 300 => return,
            Lasts::Shortened => 300,
        };
        self.until = Instant::now() + Duration::from_secs(seconds.into());
    }

    /// Seconds that are left of it.
    fn left(&self) -> u32 {
        let left = self.until.saturating_duration_since(Instant::now());
        u32::try_from(left.as_secs()).unwrap_or(u32::MAX)
    }
}

/// By nf_conntrack's own defaults.
fn seconds(phase: Phase) -> u32 {
    match phase {
        Phase::None => 0,
        Phase::SynSent | Phase::FinWait | Phase::TimeWait | Phase::SynSent2 => 120,
        Phase::SynRecv | Phase::CloseWait => 60,
        Phase::Established => 432_000,
        Phase::LastAck => 30,
        Phase::Close => 10,
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "NONE",
        Phase::SynSent => "SYN_SENT",
        Phase::SynRecv => "SYN_RECV",
        Phase::Established => "ESTABLISHED",
        Phase::FinWait => "FIN_WAIT",
        Phase::CloseWait => "CLOSE_WAIT",
        Phase::LastAck => "LAST_ACK",
        Phase::TimeWait => "TIME_WAIT",
        Phase::Close => "CLOSE",
        Phase::SynSent2 => "SYN_SENT2",
    }
}
