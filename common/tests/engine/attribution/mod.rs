//! Whose packets are, and who may send what.

mod bare;
mod echo;
mod egress;
mod exempt;
mod fragments;
mod hearing;
mod ingress;
mod interface;
mod kernel;
mod local;
mod queries;
mod related;
mod sockets;
mod spoof;
mod stale;
