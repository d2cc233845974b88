//! What BPF LSM alone refuses: calls by ways into the kernel that other hooks do not see. Only where the kernel has it,
//! as those of `cargo xtask vm` have.
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::fs;
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::{Context, Result, ensure};
use berth_tests::{Endpoint, SharedNode, privileged, process};
use socket2::{Domain, Socket, Type};

/// setsockopt() among the 32-bit system calls.
const SETSOCKOPT_32: u64 = 366;

/// As the C library's setsockopt() for an integer, but by the 32-bit entry. Gives the error as a negative number.
fn setsockopt_32(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> Result<i64> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    // SAFETY: new memory, which nobody else knows of; below 4 GiB, as the call takes it.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
    ensure!(page != libc::MAP_FAILED, "no memory below 4 GiB");
    // SAFETY: the page was just made, and is longer than an integer.
    unsafe { page.cast::<libc::c_int>().write(value) };
    let descriptor = u64::from(socket.as_raw_fd().cast_unsigned());
    let (level, name) = (u64::from(level.cast_unsigned()), u64::from(name.cast_unsigned()));
    let mut result = SETSOCKOPT_32;
    // SAFETY: the call reads four bytes at the page; it changes no register but these, of which rbx has to be kept.
    unsafe {
        asm!(
            "xchg {descriptor}, rbx",
            "int 0x80",
            "xchg {descriptor}, rbx",
            descriptor = inout(reg) descriptor => _,
            inout("rax") result,
            in("rcx") level,
            in("rdx") name,
            in("rsi") page,
            in("rdi") 4_u64,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
        libc::munmap(page, 4096);
    }
    Ok(result.cast_signed())
}

/// Whether BPF LSM is there; says that the test does not run where it is not.
fn has_lsm(test: &str) -> bool {
    let list = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let active = list.trim().split(',').any(|name| name == "bpf");
    if !active {
        eprintln!("NOT RUN: {test}: this kernel runs without BPF LSM");
    }
    active
}

fn bypass_qdisc() -> Result<i64> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    setsockopt_32(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
}

/// Not a test by itself: what the one below has a container run.
#[test]
#[ignore = "for a container to run"]
fn tries() -> Result<()> {
    assert_eq!(bypass_qdisc()?, -i64::from(libc::EPERM));
    Ok(())
}

#[test]
fn a_32_bit_call_is_refused_like_any_other() -> Result<()> {
    privileged!();
    if !has_lsm("a_32_bit_call_is_refused_like_any_other") {
        return Ok(());
    }
    assert_eq!(bypass_qdisc()?, 0, "the host may, and the way is there");
    let node = SharedNode::new()?;
    let own = std::env::current_exe()?;
    let mut command = node.b.command(own.to_str().context("a path that is not UTF-8")?)?;
    process::ok(command.args(["--ignored", "--exact", "tries"]))?;
    let plane = node.berth.container("b")?.plane;
    assert_eq!(plane.drops, [("bypass-denied".to_owned(), 1)].into());
    Ok(())
}
