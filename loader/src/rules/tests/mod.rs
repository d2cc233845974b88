//! Tests of the language as a whole: tables of rules and what becomes of them, files as tools write them, edits, and
//! what must hold for any ruleset and any text.

mod corpus;
mod edits;
mod features;
mod files;
mod generated;
mod robust;
mod tables;
