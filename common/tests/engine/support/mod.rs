//! What the tests share.

pub mod build;
pub mod node;

pub use build::*;
pub use node::*;
