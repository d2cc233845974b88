//! Lowered rules against the rules as they are written.

mod agreement;
mod aim;
mod conntrack;
mod errors;
mod externals;
mod kept;
mod matches;
mod nat;
mod oracle;
mod packet;
mod setup;
mod targets;
