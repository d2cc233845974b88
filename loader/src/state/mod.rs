//! What berth must remember over restarts: containers, the operator's reservations, and what it has changed on the
//! node.

mod attached;
mod definition;
mod error;
mod ids;
mod instance;
mod objects;
mod record;
mod resized;
mod rules;
mod sets;
mod store;

pub use attached::{Announced, Attached};
pub use definition::Definition;
pub use error::StateError;
pub use instance::Instance;
pub use objects::Objects;
pub use record::{Record, Reservation, State};
pub use resized::Resized;
pub use rules::{Rules, Unconfirmed};
pub use sets::{Batch, SetStore, Whose};
pub use store::Store;
