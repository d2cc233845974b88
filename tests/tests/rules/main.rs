//! Rules: what they let through and what not, what they count, and how they are changed.

mod changes;
mod ftp;
mod guards;
mod helpers;
mod logs;
mod modes;
mod neighbours;
mod replaced;
mod states;
mod verdicts;
