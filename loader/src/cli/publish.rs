//! `berth publish`.

use std::{net::IpAddr, num::NonZeroU16};

use clap::{Args, Subcommand};

use super::arguments::Json;
use crate::api::{name::Name, publication::Services, request::Request};

/// Published ports.
#[derive(Subcommand, Debug)]
pub enum PublishCommand {
    /// Have what arrives for ports of the node go on to a container that has an interface of its own
    Add {
        /// Which ports, for whom
        #[command(flatten)]
        ports: PublishArguments,
        /// The container's address that it goes on to [default: its first one of each family]
        #[arg(long, value_name = "A")]
        to_address: Option<IpAddr>,
        /// The container's port that it goes on to, of several the first [default: the same port]
        #[arg(long, value_name = "PORT")]
        to_port: Option<NonZeroU16>,
    },
    /// Publish ports no longer; connections that are there stay
    Rm {
        /// Which ports, for whom
        #[command(flatten)]
        ports: PublishArguments,
    },
    /// Show what is published
    List(Json),
}

/// Ports of the node for a container.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// Container
    pub name: Name,
    /// Protocol (tcp, udp) and port, or first and last port, as in tcp/80 or udp/8000-8100
    #[arg(value_name = "PROTOCOL/PORT[-LAST]")]
    pub services: Services,
    /// Only at this address of the node
    #[arg(long, value_name = "A")]
    pub address: Option<IpAddr>,
}

impl PublishCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> (Request, bool) {
        match self {
            Self::Add { ports: PublishArguments { name, services, address }, to_address, to_port } => {
                let to_port = to_port.map(NonZeroU16::get);
                (Request::PublishAdd { name, services, address, to_address, to_port }, false)
            }
            Self::Rm { ports: PublishArguments { name, services, address } } => {
                (Request::PublishRemove { name, services, address }, false)
            }
            Self::List(Json { json }) => (Request::PublishList, json),
        }
    }
}
