//! Containers that come and go.

mod cgroup;
mod guest;
mod interface;
mod pid;
mod reborn;
mod templates;
