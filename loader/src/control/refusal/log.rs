//! Reading the verifier's log (the kernel's kernel/bpf/verifier.c and log.c; the format is nobody's promise).
//!
//! ```text
//! ; let first = skb.load(offset)?; @ packet.rs:39      the source line; 6.1 writes no ` @ FILE:LINE`
//! 1: (61) r2 = *(u32 *)(r6 +80)         ; R2_w=pkt(r=0) R6_w=ctx()
//! from 5 to 17: R1=0 R10=fp0                           what is known on a way that it comes back to
//! invalid access to packet, off=0 size=4, R2(id=0,off=0,r=0)
//! R2 offset is outside of the packet
//! processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
//! ```
//!
//! From 7.3 on, the complaint is followed by a report for people: `Verification failed: TITLE`, then paragraphs under
//! `Reason:` and other headings.

use super::Place;

/// A complaint has a line or two; more are something else that we do not know.
const COMPLAINT_LINES: usize = 3;

/// What the log tells about the source of the instructions that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// What stands on the line, without spaces around it.
    pub text: &'a str,
    /// Name of the file, without its directory, and the line; not from kernels before 6.9.
    pub place: Option<(&'a str, u32)>,
}

impl<'a> Annotation<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        // Complaints about the program as a whole have the instruction's number in front.
        let line = line.trim_start_matches(|character: char| character.is_ascii_digit());
        let line = line.strip_prefix(": ").unwrap_or(line);
        let text = line.strip_prefix(';')?;
        let place = text.rsplit_once(" @ ").and_then(|(text, place)| {
            let (file, line) = place.rsplit_once(':')?;
            Some((text, file, line.parse().ok()?))
        });
        Some(match place {
            Some((text, file, line)) => Self { text: text.trim(), place: Some((file, line)) },
            None => Self { text: text.trim(), place: None },
        })
    }

    /// As much as it says by itself.
    pub fn as_it_stands(&self) -> Place {
        match self.place {
            Some((file, line)) => Place::Line { file: file.to_owned(), line },
            None if self.text.is_empty() => Place::Unknown,
            None => Place::Text(self.text.to_owned()),
        }
    }
}

/// The last annotation first.
pub fn annotations_backwards(log: &str) -> impl Iterator<Item = Annotation<'_>> {
    log.lines().rev().filter_map(Annotation::parse)
}

/// What the verifier complains of: what it says after its last step. None if it says nothing at all.
pub fn complaint(log: &str) -> Option<String> {
    let (steps, title) = match log.split_once("Verification failed: ") {
        Some((steps, report)) => (steps, report.lines().next()),
        None => (log, None),
    };
    let mut lines: Vec<&str> = useful(steps).rev().take_while(|line| !is_step(line)).collect();
    lines.truncate(COMPLAINT_LINES);
    lines.reverse();
    if lines.is_empty() {
        lines.extend(title.or_else(|| useful(steps).next_back()));
    }
    (!lines.is_empty()).then(|| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; "))
}

/// The last lines, without statistics.
pub fn excerpt(log: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<_> = useful(log).rev().take(count).map(|line| line.trim_end().to_owned()).collect();
    lines.reverse();
    lines
}

fn useful(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.lines().filter(|line| !line.trim().is_empty() && !is_statistics(line))
}

fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth ", "insns_processed", "insns processed "]
        .iter()
        .any(|beginning| line.starts_with(beginning))
        // 7.3 has a line for each function.
        || line.starts_with("subprog ") && line.contains(" insns_self ")
}

/// Whether the line tells what the verifier does or knows, rather than what it complains of.
fn is_step(line: &str) -> bool {
    const BEGINNINGS: [&str; 14] = [
        ";",
        "from ",
        "caller:",
        "callee:",
        "frame",
        "last_idx ",
        "regs=",
        "parent ",
        "mark_precise:",
        "propagating ",
        "func#",
        "Func#",
        "Validating ",
        "returning from callee",
    ];

    let line = line.trim_start();
    let after_number = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let is_numbered = after_number.len() < line.len() && after_number.starts_with(':');
    is_numbered || is_state(line) || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// `R1=ctx() R10=fp0`, `R1_w=ctx(off=0,imm=0)`; but not `R1 type=ctx expected=fp`.
fn is_state(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('R') else {
        return false;
    };
    let first = rest.split(' ').next().unwrap_or_default();
    rest.starts_with(|character: char| character.is_ascii_digit())
        && first.split_once('=').is_some_and(|(register, _)| {
            register.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        })
}
