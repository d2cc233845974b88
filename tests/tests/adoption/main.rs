//! A container is added while it is at work.

mod busy;
mod descendants;
mod open_sockets;
mod unbound;
