//! Published ports for people.

use super::event::end;
use crate::{
    api::{error::ApiError, port_span::PortSpan, publication::Publication},
    cli::output::Output,
};

/// Published ports in a row that go on to ports in a row.
struct Row<'a> {
    /// The first of them.
    first: &'a Publication,
    /// How many follow it.
    more: u16,
}

/// A table of published ports.
pub fn all(publications: &[Publication], output: &Output) -> Result<(), ApiError> {
    let columns = ["CONTAINER", "PROTOCOL", "ADDRESS", "PORT", "TO"];
    output.table(&columns, rows(publications).iter().map(Row::cells).collect())
}

fn rows(publications: &[Publication]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in publications {
        match rows.iter_mut().rev().find(|row| row.is_before(one)) {
            Some(row) => row.more += 1,
            None => rows.push(Row { first: one, more: 0 }),
        }
    }
    rows
}

impl Row<'_> {
    /// Whether it goes on with `next`.
    fn is_before(&self, next: &Publication) -> bool {
        let follows = |first: u16, next: u16| u32::from(next) == u32::from(first) + u32::from(self.more) + 1;
        follows(self.first.port, next.port)
            && follows(self.first.to_port, next.to_port)
            && Publication { port: self.first.port, to_port: self.first.to_port, ..next.clone() }
                == *self.first
    }

    fn cells(&self) -> Vec<String> {
        let Publication { container, protocol, address, port, to_address, to_port } = self.first;
        let ports = PortSpan { first: *port, last: port.saturating_add(self.more) }.to_string();
        let mut to = end(*to_address, *to_port);
        if self.more > 0 {
            to = format!("{to}-{}", to_port.saturating_add(self.more));
        }
        vec![container.to_string(), protocol.clone(), address.to_string(), ports, to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(address: &str, port: u16, to: (&str, u16)) -> Publication {
        Publication {
            container: "web".parse().unwrap(),
            protocol: "tcp".to_owned(),
            address: address.parse().unwrap(),
            port,
            to_address: to.0.parse().unwrap(),
            to_port: to.1,
        }
    }

    #[test]
    fn ports_in_a_row_are_one_row() {
        let (v4, v6) = (("10.0.3.10", 8000), ("fd00::a", 8000));
        let next = |(to, port): (&'static str, u16)| (to, port + 1);
        let publications = [
            publication("0.0.0.0", 80, v4),
            publication("::", 80, v6),
            publication("0.0.0.0", 81, next(v4)),
            publication("::", 81, next(v6)),
            publication("0.0.0.0", 82, v4),
            publication("192.0.2.1", 83, next(v4)),
        ];
        let rows = rows(&publications);
        let cells: Vec<_> = rows.iter().map(|row| row.cells()[2..].join(" ")).collect();
        assert_eq!(
            cells,
            [
                "0.0.0.0 80-81 10.0.3.10:8000-8001",
                ":: 80-81 [fd00::a]:8000-8001",
                "0.0.0.0 82 10.0.3.10:8000",
                "192.0.2.1 83 10.0.3.10:8001",
            ]
        );
    }
}
