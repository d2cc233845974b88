//! What is in force stays in force, whatever becomes of the daemon, and goes away whole.

mod adopted;
mod down;
mod interrupted;
mod killed;
mod pings;
mod restarted;
mod up;
mod upgraded;
