//! The flow table under load: quotas are exact, nobody is hurt by a neighbour, and nothing waits for a daemon.

mod flood;
mod guaranteed;
mod orphaned;
mod resize;
mod set;
mod together;
mod told;
