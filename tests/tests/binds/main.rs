//! Who may bind a port, and whose it is then.

mod addresses;
mod allowance;
mod autobind;
mod binding;
mod children;
mod churn;
mod counts;
mod established;
mod families;
mod host;
mod namespaces;
mod operator;
mod ownership;
