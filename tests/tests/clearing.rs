//! Deleting entries by the control program: those it finds by itself, and, where the kernel does not call it back (with
//! the JIT off), those that it is told.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::process::Command;

use anyhow::{Context, Result};
use berth_common::abi::{
    address::Address,
    config::Config,
    container::{Container, Held, Quota, Usage},
    control::Control,
    flow::{Flow, State},
    flow_table::{Pool, Queue, Ring},
    port::{Claim, PortEntry, PortKey, Summary},
    units::{ContainerId, Nanos, Port, Protocol},
};
use berth_common::memory::FlowArrays;
use berth_tests::object::{Array, FlowMaps, Hash, Input, Object, shape, zero};
use berth_tests::{privileged, process};

const A: ContainerId = ContainerId(1);
const B: ContainerId = ContainerId(2);
const FLOWS: u32 = 128;

/// The control program and what it works on.
struct Tables {
    object: Object,
    control: Array<Control>,
    usage: Array<Usage>,
    flows: FlowMaps,
    ports: Hash<PortKey, PortEntry>,
    summaries: Array<u64>,
}

impl Tables {
    fn load(callbacks: bool) -> Result<Self> {
        let constants = [("CALLBACKS", u32::from(callbacks))];
        let sizes = [("CONTAINERS", 4), ("USAGE", 4), ("COUNTERS", 4), ("FLOWS", FLOWS), ("PORTS", 64)];
        let mut object = Object::load_with(&["berth_control"], &sizes, &constants)?;
        let mut containers: Array<Container> = object.array("CONTAINERS")?;
        let config = Config { abi: berth_common::abi::VERSION, flows: shape(FLOWS), ..zero() };
        object.array("CONFIG")?.set(0, config)?;
        for id in [A, B] {
            containers.set(id.0, Container { generation: 1, ..zero() })?;
        }
        Ok(Self {
            control: object.array("CONTROL")?,
            usage: object.array("USAGE")?,
            flows: FlowMaps::take(&mut object, shape(FLOWS))?,
            ports: object.hash("PORTS")?,
            summaries: object.array("PORT_SUMMARY")?,
            object,
        })
    }

    /// Runs it on a packet, as the last request wants it. Returns how many entries it has changed since then.
    fn run(&self, packet: &[u8]) -> Result<u32> {
        self.object.run("berth_control", &Input { frame: packet, segments: 0, repeat: 1 })?;
        Ok(self.control.get(0)?.result)
    }

    /// Has it look at one entry. Tells whether it changed it.
    fn named(&mut self, operation: u32, container: ContainerId, mut packet: Vec<u8>) -> Result<bool> {
        self.control.set(0, Control { operation, container, ..zero() })?;
        packet.resize(64, 0);
        Ok(self.run(&packet)? == 1)
    }

    /// Puts flows into the first slots, and those into the rings of who has opened them.
    fn put(&mut self, flows: &[(ContainerId, Nanos)]) -> Result<()> {
        let mut slots = Vec::new();
        let mut rings = [A, B].map(|id| (id, zero::<Ring>()));
        for (number, &(opener, expires)) in (0..).zip(flows) {
            slots.push((number, Flow { expires, opener, ..zero() }));
            for (_, ring) in rings.iter_mut().filter(|(id, _)| *id == opener) {
                // Slots are nodes from one on, and what follows is one more.
                let follows = match ring.tail {
                    0 => &mut ring.next,
                    last => &mut slots[last as usize - 1].1.next,
                };
                *follows = number + 2;
                ring.tail = number + 1;
            }
        }
        let pool = Pool { fresh: slots.len() as u64, promised: slots.len() as u64, ..zero() };
        let rings = rings.to_vec();
        self.flows.import(&FlowArrays { shape: shape(FLOWS), slots, pool, rings, ..FlowArrays::default() })
    }

    /// The slots that are somebody's.
    fn taken(&self) -> Result<Vec<u32>> {
        Ok(self.flows.flows()?.into_iter().map(|(number, _)| number).collect())
    }

    fn charge(&mut self, id: ContainerId, flows: u32, ports: u32) -> Result<()> {
        let quota = |held: u32| Quota { held: Held::new(held, 0), maxheld: held.into(), failcnt: 0 };
        self.usage.set(id.0, Usage { flows: quota(flows), ports: quota(ports), ..zero() })
    }

    fn held(&self, id: ContainerId) -> Result<(u64, u64)> {
        let usage = self.usage.get(id.0)?;
        Ok((usage.flows.held.count(), usage.ports.held.count()))
    }
}

#[test]
fn without_callbacks_none_are_left_in_the_program() -> Result<()> {
    privileged!();
    // Where the JIT is off, the kernel takes none with callbacks.
    let has_jit = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable")?.trim() != "0";
    for callbacks in [true, false].into_iter().filter(|callbacks| has_jit || !callbacks) {
        let tables = Tables::load(callbacks)?;
        let program = tables.object.program("berth_control")?;
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd()))?;
        let id = about.lines().find_map(|line| line.strip_prefix("prog_id:")).context("no id")?.trim();
        let dump = process::ok(Command::new("bpftool").args(["prog", "dump", "xlated", "id", id]))?;
        // Lines of the source are among the instructions.
        let code: Vec<_> = dump.lines().filter(|line| !line.trim_start().starts_with(';')).collect();
        for word in ["for_each_port", "sweep_port"] {
            assert_eq!(code.iter().any(|line| line.contains(word)), callbacks, "{word}: {dump}");
        }
    }
    Ok(())
}

const ENDED: Nanos = Nanos(1);
const LIVE: Nanos = Nanos(u64::MAX).released();

#[test]
fn flows_of_the_container_go_a_few_slots_at_a_time() -> Result<()> {
    privileged!();
    for callbacks in [true, false] {
        let mut tables = Tables::load(callbacks)?;
        // B's are each third one; of those the second has expired, and somebody has the third in hand.
        let flows: Vec<_> = (0..100)
            .map(|number| match number {
                5 => (B, ENDED),
                8 => (B, Nanos(0)),
                _ if number % 3 == 2 => (B, LIVE),
                _ => (A, LIVE),
            })
            .collect();
        tables.put(&flows)?;
        tables.charge(A, 67, 0)?;
        tables.charge(B, 32, 0)?;
        tables.control.set(0, Control { operation: Control::FLUSH_FLOWS, container: B, ..zero() })?;
        assert_eq!(tables.run(&[0; 64])?, 20, "of the first 64 slots");
        assert_eq!((tables.held(A)?.0, tables.held(B)?.0), (67, 12));
        assert_eq!(tables.run(&[0; 64])?, 32, "what was done before stays counted");
        assert_eq!((tables.held(A)?.0, tables.held(B)?.0), (67, 0));
        assert_eq!(tables.control.get(0)?.cursor, 2 * Control::LOOKS);
        let taken = tables.taken()?;
        assert!(taken.len() == 67 && taken.iter().all(|number| number % 3 != 2), "{taken:?}");
    }
    Ok(())
}

#[test]
fn slots_are_freed_when_the_hand_comes_to_them() -> Result<()> {
    privileged!();
    for callbacks in [true, false] {
        let mut tables = Tables::load(callbacks)?;
        tables.put(&[(A, ENDED), (A, LIVE), (B, ENDED), (A, ENDED)])?;
        tables.charge(A, 3, 0)?;
        tables.charge(B, 1, 0)?;
        tables.control.set(0, Control { operation: Control::SWEEP_FLOWS, container: A, ..zero() })?;
        // The hand goes round more than once, and finds no more.
        assert_eq!((tables.run(&[0; 64])?, tables.run(&[0; 64])?), (2, 2));
        assert_eq!(tables.taken()?, [1, 2]);
        assert_eq!((tables.held(A)?.0, tables.held(B)?.0), (1, 1));
        let left = tables.flows.export()?;
        assert_eq!(left.sides[0].free.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 4]);
        // One that was ended for somebody is not counted any more, but is freed by its hand, too.
        tables.control.set(0, Control { operation: Control::FLUSH_FLOWS, container: A, ..zero() })?;
        assert_eq!(tables.run(&[0; 64])?, 1);
        assert_eq!(tables.held(A)?.0, 0);
        let [_, (_, gone), ..] = tables.flows.export()?.slots[..] else { unreachable!() };
        assert!(gone.state.has(State::GONE));
        tables.control.set(0, Control { operation: Control::SWEEP_FLOWS, container: A, ..zero() })?;
        assert_eq!(tables.run(&[0; 64])?, 0);
        let queues = [Queue { head: 0, tail: 3 }, Queue::default(), Queue::default(), Queue::default()];
        assert_eq!(tables.flows.export()?.pool, Pool { fresh: 4, promised: 1, queues, ..zero() });
    }
    Ok(())
}

#[test]
fn what_a_container_has_used_is_forgotten_but_for_its_flows() -> Result<()> {
    privileged!();
    let mut tables = Tables::load(true)?;
    tables.put(&[(A, LIVE), (A, LIVE), (B, LIVE)])?;
    let quota = Quota { held: Held::new(2, 0), maxheld: 3, failcnt: 4 };
    let before =
        Usage { flows: quota, ports: quota, guards: quota, control: 5, notices: 6, evicted: 7, new_flows: 8 };
    for id in [A, B] {
        tables.usage.set(id.0, before)?;
        tables
            .control
            .set(0, Control { operation: Control::GUARANTEE, container: id, flows: 1, ..zero() })?;
        assert_eq!(tables.run(&[0; 64])?, 1);
    }
    let guaranteed = Quota { held: Held::new(2, 1), ..quota };
    tables.control.set(0, Control { operation: Control::FORGET_USAGE, container: A, ..zero() })?;
    tables.run(&[0; 64])?;
    let flows = Quota { maxheld: 0, failcnt: 0, ..guaranteed };
    assert_eq!(tables.usage.get(A.0)?, Usage { flows, ..zero() });
    assert_eq!(tables.usage.get(B.0)?, Usage { flows: guaranteed, ..before });
    // Each has more than it is guaranteed.
    assert_eq!(tables.flows.export()?.pool.promised, 3);
    Ok(())
}

#[test]
fn named_ports_go_if_nobody_holds_them_or_the_container_does() -> Result<()> {
    privileged!();
    let mut tables = Tables::load(false)?;
    for (number, claim) in [(1, Claim::FREE), (2, Claim::bound(A)), (3, Claim::permanent(B, false))] {
        tables.ports.insert(port(number), PortEntry { claim: claim.0 })?;
        if !claim.is_free() {
            tables.summaries.set(summary(number)?, Summary(0).with(claim.owner()).0)?;
        }
    }
    tables.charge(A, 0, 1)?;
    tables.charge(B, 0, 1)?;

    let nobody = ContainerId::UNOWNED;
    let outcomes: Vec<bool> = (1..=4)
        .map(|number| tables.named(Control::FLUSH_PORTS, nobody, port_in_packet(&port(number))))
        .collect::<Result<_>>()?;
    assert_eq!(outcomes, [true, false, false, false]);
    assert_eq!(tables.ports.get(port(1))?, None);

    assert!(!tables.named(Control::FLUSH_PORTS, B, port_in_packet(&port(2)))?);
    assert!(tables.named(Control::FLUSH_PORTS, B, port_in_packet(&port(3)))?);
    assert_eq!(tables.ports.get(port(3))?.map(|entry| entry.claim), Some(Claim::FREE.0));
    assert_eq!((tables.held(A)?.1, tables.held(B)?.1), (1, 0));
    assert_eq!((tables.summaries.get(summary(2)?)? & 0xffff, tables.summaries.get(summary(3)?)?), (1, 0));
    Ok(())
}

#[test]
fn a_packet_that_is_too_short_for_a_key_changes_nothing() -> Result<()> {
    privileged!();
    let mut tables = Tables::load(false)?;
    tables.ports.insert(zero(), PortEntry { claim: Claim::FREE.0 })?;
    let container = ContainerId::UNOWNED;
    tables.control.set(0, Control { operation: Control::FLUSH_PORTS, container, ..zero() })?;
    assert_eq!(tables.run(&[0; size_of::<PortKey>() - 1])?, 0);
    assert_eq!(tables.ports.entries()?.len(), 1);
    assert_eq!(tables.run(&[0; 64])?, 1);
    assert_eq!(tables.ports.entries()?.len(), 0);
    Ok(())
}

fn port(number: u16) -> PortKey {
    PortKey::new(Protocol::TCP, Address::ANY4, Port(number))
}

fn port_in_packet(key: &PortKey) -> Vec<u8> {
    let port = key.port.0.to_ne_bytes().to_vec();
    [words(key.address), port, vec![key.protocol.0, key.padding], key.reserved.to_ne_bytes().to_vec()]
        .concat()
}

fn words(address: Address) -> Vec<u8> {
    address.0.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn summary(number: u16) -> Result<u32> {
    port(number).summary_index().context("a protocol without ports")
}
