//! The packet engine over tables in memory: what it reads out of packets, whose they are, what becomes of them, and
//! what that leaves in the tables. Packets are built by another library than the one under test.

mod support;

mod abi;
mod address;
mod attribution;
mod flows;
mod fragments;
mod guards;
mod memory;
mod nat;
mod notice;
mod parse;
mod ports;
mod properties;
mod tcp;
