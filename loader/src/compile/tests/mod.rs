//! The compiler and the classifier together, against rules read one by one.

pub(crate) mod agreement;
mod bounds;
mod build;
mod constancy;
mod damage;
mod examples;
mod generate;
mod many;
mod oracle;
mod speed;
pub(crate) mod world;
