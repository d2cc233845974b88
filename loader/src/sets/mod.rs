//! Named sets, as ipset has them: what entries are, how they are written, and how the kernel is to have them.
//!
//! Pure: no I/O, no clock.

pub mod collection;
pub mod command;
pub mod element;
mod error;
pub mod form;
mod line;
mod options;
pub mod set;
mod table;
#[cfg(test)]
mod tests;

pub use collection::{Bounds, Sets, Step};
pub use element::Element;
pub use error::{Fault, SetError};
pub use form::Form;
pub use set::Set;
pub use table::{Change, Misfit, Table};
