use super::*;

/// As 6.12 and later write it.
const WITH_PLACES: &str = "\
Validating seam_parse() func#1...
1978: R1=ctx() R2=scalar() R3=scalar() R4=mem_or_null(id=773,sz=52) R10=fp0
; if headers.is_null() { @ seams.rs:122
1979: (15) if r4 == 0x0 goto pc+524   ; R4=mem(sz=52)
; let (data, end) = unsafe { ((*self.0).data as usize, (*self.0).data_end as usize) }; @ packet.rs:39
2099: (61) r0 = *(u32 *)(r1 +76)      ; R0=pkt(r=0) R1=ctx()
; intrinsics::wrapping_add(self, rhs) @ uint_macros.rs:2511
2100: (0f) r0 += r2                   ; R0=pkt(id=1221,r=0,umax=16383,var_off=(0x0; 0x3fff)) R2=scalar(umax=16383)
2101: (61) r7 = *(u32 *)(r0 +0)
invalid access to packet, off=0 size=4, R0(id=1221,off=0,r=0)
R0 offset is outside of the packet
verification time 17231 usec
stack depth 200+0+40+0+0+0+0+0+40
processed 3977 insns (limit 1000000) max_states_per_insn 6 total_states 299 peak_states 280 mark_read 0

";

/// The same as 6.1 writes it.
const WITHOUT_PLACES: &str = "\
Validating seam_parse() func#1...
1978: R1=ctx(off=0,imm=0) R2=scalar() R3=scalar() R4=mem_or_null(id=773,off=0,imm=0) R10=fp0
; if headers.is_null() {
1979: (15) if r4 == 0x0 goto pc+524   ; R4=mem(off=0,imm=0)
; let (data, end) = unsafe { ((*self.0).data as usize, (*self.0).data_end as usize) };
2099: (61) r0 = *(u32 *)(r1 +76)      ; R0_w=pkt(off=0,r=0,imm=0) R1=ctx(off=0,imm=0)
; intrinsics::wrapping_add(self, rhs)
2100: (0f) r0 += r2                   ; R0_w=pkt(id=1221,off=0,r=0,umax=16383,var_off=(0x0; 0x3fff)) R2=scalar(umax=16383)
last_idx 2100 first_idx 2099
regs=4 stack=0 before 2099: (61) r0 = *(u32 *)(r1 +76)
 R1=ctx(off=0,imm=0) R2_r=Pscalar(umax=16383,var_off=(0x0; 0x3fff)) R10=fp0
parent didn't have regs=4 stack=0 marks
2101: (61) r7 = *(u32 *)(r0 +0)
invalid access to packet, off=0 size=4, R0(id=1221,off=0,r=0)
R0 offset is outside of the packet
processed 3977 insns (limit 1000000) max_states_per_insn 6 total_states 299 peak_states 280 mark_read 0
";

/// The same complaint as 7.3 writes it.
const WITH_REPORT: &str = "\
; let x = 1; @ tc.rs:7
0: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path, so the verifier cannot use it as an input.

At:
  insn 0

processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

const COMPLAINT: &str =
    "invalid access to packet, off=0 size=4, R0(id=1221,off=0,r=0); R0 offset is outside of the packet";

fn read(log: &str, sources: &Sources) -> Refusal {
    let error = io::Error::from_raw_os_error(libc::EACCES);
    Refusal::read("berth_send", error, log, sources).unwrap()
}

fn sources() -> Sources {
    let data = "let (data, end) = unsafe { ((*self.0).data as usize, (*self.0).data_end as usize) };";
    Sources::from_lines(&[
        ("seam_parse", "ebpf/src/seams.rs", 122, "if headers.is_null() {"),
        ("seam_open_flow", "ebpf/src/seams.rs", 140, "if headers.is_null() {"),
        ("seam_parse", "ebpf/src/packet.rs", 39, data),
    ])
}

#[test]
fn the_last_line_of_our_own_source_is_named() {
    let expected =
        format!("the kernel's verifier refuses program berth_send at ebpf/src/packet.rs:39: {COMPLAINT}");
    assert_eq!(read(WITH_PLACES, &sources()).to_string(), expected);
    assert_eq!(read(WITHOUT_PLACES, &sources()).to_string(), expected);
}

#[test]
fn where_words_stand_on_several_lines_they_are_given() {
    let log = "; if headers.is_null() {\n1: (61) r0 = *(u32 *)(r1 +76)\nR1 invalid mem access 'scalar'\n";
    let expected = "the kernel's verifier refuses program berth_send at `if headers.is_null() {`: R1 invalid mem access 'scalar'";
    assert_eq!(read(log, &sources()).to_string(), expected);
}

#[test]
fn an_object_without_line_information_leaves_what_the_log_says() {
    let none = Sources::from_lines(&[]);
    let library = Place::Line { file: "uint_macros.rs".to_owned(), line: 2511 };
    assert_eq!(read(WITH_PLACES, &none).place, library);
    let library = Place::Text("intrinsics::wrapping_add(self, rhs)".to_owned());
    assert_eq!(read(WITHOUT_PLACES, &none).place, library);
    assert_eq!(read("1: (95) exit\nR0 !read_ok\n", &none).place, Place::Unknown);
}

#[test]
fn complaints_about_the_program_as_a_whole_are_understood() {
    for (log, complaint, place) in [
        (
            "; loop { @ packet.rs:39\nback-edge from insn 5 to 3\nprocessed 0 insns (limit 1000000)\n",
            "back-edge from insn 5 to 3",
            " at packet.rs:39",
        ),
        (
            "; x @ a.rs:2\n1: (79) r1 = *(u64 *)(r6 +28672)\ninvalid bpf_context access off=28672 size=8\n\
             verification time 20 usec\nstack depth max 16\n\
             subprog 0 (berth_up_in) main insns_self 2 insns_total 2 stack 16\n\
             subprog 1 (seam_parse) global insns_self 0 insns_total 0 stack 8\nprocessed 2 insns (limit 1000000)\n",
            "invalid bpf_context access off=28672 size=8",
            " at a.rs:2",
        ),
        ("5: ; while true { @ packet.rs:40\nunreachable insn 6\n", "unreachable insn 6", " at packet.rs:40"),
        (
            "callbacks are not allowed in non-JITed programs\nprocessed 921 insns (limit 1000000)\n",
            "callbacks are not allowed in non-JITed programs",
            "",
        ),
        (
            "from 5 to 7: R0=1 R10=fp0\n; x @ a.rs:1\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns\n",
            "BPF program is too large. Processed 1000001 insn",
            " at a.rs:1",
        ),
    ] {
        let refusal = read(log, &Sources::default());
        assert_eq!(refusal.complaint, complaint);
        assert_eq!(refusal.place.to_string(), place);
    }
}

#[test]
fn registers_in_complaints_are_no_states() {
    let log = "2: R1=ctx() R10=fp0\n3: (85) call bpf_map_lookup_elem#1\nR1 type=ctx expected=map_ptr\n";
    assert_eq!(read(log, &Sources::default()).complaint, "R1 type=ctx expected=map_ptr");
}

#[test]
fn a_report_for_people_hides_no_complaint() {
    let refusal = read(WITH_REPORT, &Sources::default());
    assert_eq!(refusal.complaint, "R0 !read_ok");
    assert_eq!(refusal.place, Place::Line { file: "tc.rs".to_owned(), line: 7 });
    assert!(refusal.excerpt.iter().any(|line| line.contains("never been initialized")), "{refusal:?}");
}

#[test]
fn the_end_of_the_log_is_shown_without_statistics() {
    let refusal = read(WITH_PLACES, &sources());
    assert_eq!(refusal.excerpt.last().unwrap(), "R0 offset is outside of the packet");
    assert_eq!(refusal.excerpt.len(), 11);
    assert_eq!(refusal.log, WITH_PLACES);
    let long: Vec<_> = (0..100).map(|number| format!("{number}: (95) exit")).collect();
    let refusal = read(&long.join("\n"), &sources());
    assert_eq!((refusal.excerpt.len(), refusal.complaint.as_str()), (EXCERPT_LINES, "99: (95) exit"));
}

#[test]
fn where_the_verifier_says_nothing_it_was_not_the_verifier() {
    for log in ["", "\n", "processed 0 insns (limit 1000000) max_states_per_insn 0\n"] {
        let error = io::Error::from_raw_os_error(libc::EPERM);
        assert!(Refusal::read("berth_send", error, log, &Sources::default()).is_none(), "{log:?}");
    }
}
