//! Netlink conversations.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, link::LinkMessage};
use netlink_sys::{Socket, SocketAddr};

/// Asks for a list of everything of a kind.
pub fn dump<M>(protocol: libc::c_int, request: M) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    converse(protocol, request, NLM_F_DUMP)
}

/// Sends one request. Returns what came before the acknowledgement.
pub fn request<M>(protocol: libc::c_int, request: M) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    converse(protocol, request, NLM_F_ACK)
}

/// Makes something that must not be there yet. Returns what came before the acknowledgement.
pub fn create<M>(protocol: libc::c_int, request: M) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    converse(protocol, request, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
}

/// All interfaces of the calling thread's network namespace.
pub fn link_messages() -> io::Result<Vec<LinkMessage>> {
    let mut all = LinkMessage::default();
    all.header.interface_family = AddressFamily::Unspec;
    let answers = dump(libc::NETLINK_ROUTE, RouteNetlinkMessage::GetLink(all))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        })
        .collect())
}

fn converse<M>(protocol: libc::c_int, request: M, flags: u16) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    // A dump that met a change may be incomplete, and says so: the next one is likely to be whole.
    const ATTEMPTS: usize = 5;

    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    for _ in 1..ATTEMPTS {
        if let Answers::Whole(answers) = exchange(protocol, &bytes)? {
            return Ok(answers);
        }
    }
    match exchange(protocol, &bytes)? {
        Answers::Whole(answers) | Answers::Interrupted(answers) => Ok(answers),
    }
}

enum Answers<M> {
    Whole(Vec<M>),
    Interrupted(Vec<M>),
}

fn exchange<M: NetlinkDeserializable>(protocol: libc::c_int, request: &[u8]) -> io::Result<Answers<M>> {
    const DUMP_INTERRUPTED: u16 = 0x10;

    let mut socket = Socket::new(protocol as isize)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(request, 0)?;

    let mut answers = Vec::new();
    let mut interrupted = false;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let length =
                NetlinkBuffer::new_checked(rest).map_err(|error| unreadable(&error))?.length() as usize;
            let (bytes, next) = rest.split_at(length.min(rest.len()));
            // Messages begin at multiples of four bytes.
            rest = next.get(length.next_multiple_of(4) - length..).unwrap_or(&[]);
            let message = NetlinkMessage::<M>::deserialize(bytes).map_err(|error| unreadable(&error))?;
            interrupted |= message.header.flags & DUMP_INTERRUPTED != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(io::Error::from_raw_os_error(-done.code));
                }
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => {
                    return Ok(if interrupted {
                        Answers::Interrupted(answers)
                    } else {
                        Answers::Whole(answers)
                    });
                }
                NetlinkPayload::Overrun(_) => interrupted = true,
                _ => {}
            }
        }
    }
}

fn unreadable(error: &netlink_packet_core::DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel's netlink answer cannot be read: {error}"))
}
