//! Reads the words of a line: options and what stands behind them.

use std::{iter::Peekable, slice::Iter};

use super::{
    line::{Command, Line, Networks, Way},
    lookup::{self, Meaning},
    modules::{self, Asked, Loaded},
    options::{Core, Row},
};
use crate::rules::{
    condition::Condition,
    error::RuleError,
    family::Family,
    option::{Arity, Given, Shape},
    piece::Piece,
    problem::Problem,
    suggest::nearest,
    unsupported,
    values::{Literal, interface::Interface, network::Network, protocol::Protocol},
    words::Word,
};

/// Reads the words of a line. Of what is wrong everything is told that is not a consequence of something else.
pub(super) fn read(words: &[Word], family: Family) -> (Line<'_>, Vec<RuleError>) {
    let mut reader = Reader {
        words: words.iter().peekable(),
        family,
        line: Line::default(),
        errors: Vec::new(),
        quiet: false,
    };
    reader.all();
    (reader.line, reader.errors)
}

struct Reader<'a> {
    words: Peekable<Iter<'a, Word>>,
    family: Family,
    line: Line<'a>,
    errors: Vec<RuleError>,
    /// Whether unknown options are expected, since the match or target they belong to is unknown.
    quiet: bool,
}

impl<'a> Reader<'a> {
    fn all(&mut self) {
        let mut negation: Option<Piece<'a>> = None;
        while let Some(word) = self.words.next() {
            let piece = word.piece();
            if piece.text == "!" {
                if negation.replace(piece).is_some() {
                    self.errors.push(piece.wrong(Problem::StrayNegation));
                }
                continue;
            }
            let negated = negation.take();
            if piece.text.starts_with('-') && piece.text.len() > 1 {
                if let Err(error) = self.option(piece, negated) {
                    self.errors.push(error);
                }
            } else {
                self.skip();
                let meant = lookup::dashed(piece.text, self.family);
                self.errors.push(piece.wrong(Problem::StrayWord).or(meant));
            }
        }
        if let Some(piece) = negation {
            self.errors.push(piece.wrong(Problem::StrayNegation));
        }
    }

    fn option(&mut self, piece: Piece<'a>, negation: Option<Piece<'a>>) -> Result<(), RuleError> {
        if let Some(meant) = lookup::dashed(piece.text, self.family) {
            self.skip();
            return Err(piece.wrong(Problem::UnknownOption).or(Some(meant)));
        }
        let (name, attached) = parts(piece);
        let found = self.meaning(name);
        if !matches!(found, Ok(Some(_))) {
            self.skip();
        }
        let Some(meaning) = found? else {
            let protocol = self.line.protocol.as_ref().map(|(_, protocol)| protocol.value);
            if self.quiet {
                return Ok(());
            }
            return Err(lookup::unknown(name, &self.line.loaded, protocol, self.family));
        };
        let (arity, negatable) = match meaning {
            Meaning::Core(row) => (row.arity, row.negatable),
            Meaning::Module(..) => match self.shape(meaning) {
                Some(shape) => (shape.arity, shape.negatable),
                None => return Ok(()),
            },
        };
        let (first, second) = self.arguments(name, attached, arity)?;
        let negated = match negation {
            Some(_) if !negatable => return Err(name.wrong(Problem::NotNegatable)),
            negation => negation.is_some(),
        };
        let given = Given { family: self.family, negated, option: name, first, second };
        match meaning {
            Meaning::Core(row) => self.core(row, given),
            Meaning::Module(module, place) => match self.line.loaded.get_mut(module) {
                Some(loaded) => loaded.give(place, given),
                None => Ok(()),
            },
        }
    }

    /// What an option means, after loading the match of the rule's protocol if nothing else knows it.
    fn meaning(&mut self, name: Piece<'a>) -> Result<Option<Meaning>, RuleError> {
        let find =
            |loaded: &[Loaded<'a>]| lookup::find(name.text, loaded).map_err(|problem| name.wrong(problem));
        if let Some(meaning) = find(&self.line.loaded)? {
            return Ok(Some(meaning));
        }
        let protocol = self.line.protocol.as_ref().map(|(_, protocol)| protocol.value);
        let Some(module) = protocol.and_then(|protocol| modules::of_protocol(protocol, self.family)) else {
            return Ok(None);
        };
        self.line.loaded.push(Loaded::Match(Asked::new(module, name, self.family)));
        let meaning = find(&self.line.loaded)?;
        if meaning.is_none() {
            self.line.loaded.pop();
        }
        Ok(meaning)
    }

    fn shape(&self, meaning: Meaning) -> Option<&'static Shape> {
        match meaning {
            Meaning::Core(_) => None,
            Meaning::Module(module, place) => self.line.loaded.get(module)?.shapes().get(place).copied(),
        }
    }

    /// The words behind an option; the option itself where there are none.
    fn arguments(
        &mut self,
        option: Piece<'a>,
        attached: Option<Piece<'a>>,
        arity: Arity,
    ) -> Result<(Piece<'a>, Piece<'a>), RuleError> {
        match (arity, attached) {
            (Arity::None, None) => Ok((option, option)),
            (Arity::None, Some(_)) => Err(option.wrong(Problem::NoArgument)),
            (Arity::One, Some(first)) => Ok((first, option)),
            (Arity::One, None) => Ok((self.argument(option, "a word")?, option)),
            (Arity::Two, attached) => {
                let first = match attached {
                    Some(first) => first,
                    None => self.argument(option, "two words")?,
                };
                let lone = |word: &Word| word.text.starts_with('-') || word.text == "!";
                match self.words.next_if(|word| !lone(word)) {
                    Some(word) => Ok((first, word.piece())),
                    None => Err(option.wrong(Problem::MissingArgument { count: "two words" })),
                }
            }
        }
    }

    fn argument(&mut self, option: Piece<'a>, count: &'static str) -> Result<Piece<'a>, RuleError> {
        match self.words.next().map(Word::piece) {
            None => Err(option.wrong(Problem::MissingArgument { count })),
            // Behind a remark that is "!" the next option would stand.
            Some(piece)
                if piece.text == "!" && self.words.peek().is_some_and(|next| !next.text.starts_with('-')) =>
            {
                self.skip();
                Err(piece.wrong(Problem::InnerNegation))
            }
            Some(piece) => Ok(piece),
        }
    }

    /// Leaves out the words behind an option that cannot be read.
    fn skip(&mut self) {
        while self.words.next_if(|word| !word.text.starts_with('-') && word.text != "!").is_some() {}
    }

    fn core(&mut self, row: &'static Row, given: Given<'a>) -> Result<(), RuleError> {
        let option = given.option;
        match row.core {
            Core::Append => self.command(option, Command::Append(given.first)),
            Core::Insert => {
                let number = self.optional();
                self.command(option, Command::Insert(given.first, number))
            }
            Core::Delete => match self.optional() {
                Some(number) => self.command(option, Command::DeleteNumber(given.first, number)),
                None => self.command(option, Command::Delete(given.first)),
            },
            Core::Replace => self.command(option, Command::Replace(given.first, given.second)),
            Core::NewChain => self.command(option, Command::NewChain(given.first)),
            Core::DeleteChain => {
                let chain = self.optional();
                self.command(option, Command::DeleteChain(chain))
            }
            Core::Policy => self.command(option, Command::Policy(given.first, given.second)),
            Core::Flush => {
                let chain = self.optional();
                self.command(option, Command::Flush(chain))
            }
            Core::Zero => {
                let chain = self.optional();
                let number = self.optional();
                self.command(option, Command::Zero(chain, number))
            }
            Core::OtherCommand => {
                self.skip();
                Err(option.wrong(Problem::UnsupportedCommand))
            }
            Core::Source => once(&mut self.line.sources, option, networks(given)?),
            Core::Destination => once(&mut self.line.destinations, option, networks(given)?),
            Core::Input => once(&mut self.line.input, option, (option, interface(given)?)),
            Core::Output => once(&mut self.line.output, option, (option, interface(given)?)),
            Core::Protocol => once(&mut self.line.protocol, option, (option, protocol(given)?)),
            Core::Fragment => match self.family {
                Family::Ipv4 => once(&mut self.line.fragment, option, given.condition(())),
                family @ Family::Ipv6 => {
                    Err(option.wrong(Problem::WrongFamily { family, instead: "use -m frag" }))
                }
            },
            Core::Match => self.load(given.first),
            Core::Jump => self.target(Way::Jump, given),
            Core::Goto => self.target(Way::Goto, given),
            Core::Counters => once(&mut self.line.counters, option, (given.first, given.second)),
            Core::Ipv4 => once(&mut self.line.only, option, Family::Ipv4),
            Core::Ipv6 => once(&mut self.line.only, option, Family::Ipv6),
            Core::Table => Err(option.wrong(Problem::TableOption)),
        }
    }

    /// A word that may follow, unless it begins another option.
    fn optional(&mut self) -> Option<Piece<'a>> {
        self.words.next_if(|word| !word.text.starts_with('-') && word.text != "!").map(Word::piece)
    }

    fn command(&mut self, option: Piece<'a>, command: Command<'a>) -> Result<(), RuleError> {
        if self.line.command.is_some() {
            return Err(option.wrong(Problem::SecondCommand));
        }
        self.line.command = Some((option, command));
        Ok(())
    }

    fn load(&mut self, name: Piece<'a>) -> Result<(), RuleError> {
        let family = self.family;
        let module = modules::match_named(name.text, family);
        self.quiet = module.is_none_or(|module| !module.is_for(family));
        match module {
            Some(module) if module.is_for(family) => {
                self.line.loaded.push(Loaded::Match(Asked::new(module, name, family)));
                Ok(())
            }
            Some(module) => {
                let instead = module.only.map_or("", |(_, instead)| instead);
                Err(name.wrong(Problem::WrongFamily { family, instead }))
            }
            None => Err(match unsupported::of_match(name.text) {
                Some(instead) => name.wrong(Problem::Unsupported { instead }),
                None => name.wrong(Problem::UnknownMatch).or(nearest(name.text, match_names(family))),
            }),
        }
    }

    /// Whether the name is a chain's is found out by whoever knows the chains.
    fn target(&mut self, way: Way, given: Given<'a>) -> Result<(), RuleError> {
        once(&mut self.line.target, given.option, (way, given.first))?;
        self.quiet = false;
        if let (Way::Jump, Some(module)) = (way, modules::target_named(given.first.text)) {
            self.line.loaded.push(Loaded::Target(Asked::new(module, given.first, self.family)));
        } else if unsupported::of_target(given.first.text).is_some() {
            self.quiet = true;
        }
        Ok(())
    }
}

/// The name of an option, and what `=` or, behind a single letter, nothing joins to it.
fn parts(piece: Piece<'_>) -> (Piece<'_>, Option<Piece<'_>>) {
    if piece.text.starts_with("--") {
        return match piece.split_once('=') {
            Some((name, attached)) => (name, Some(attached)),
            None => (piece, None),
        };
    }
    let letters = ["-s", "-d", "-i", "-o", "-p", "-m", "-j", "-g"];
    let name = letters.into_iter().find(|letter| piece.text.starts_with(letter) && piece.text.len() > 2);
    match name.and_then(|name| piece.behind(name).zip(piece.text.get(..name.len()))) {
        Some((attached, name)) => (Piece { text: name, column: piece.column }, Some(attached)),
        None => (piece, None),
    }
}

fn once<T>(slot: &mut Option<T>, option: Piece<'_>, value: T) -> Result<(), RuleError> {
    if slot.is_some() {
        return Err(option.wrong(Problem::Repeated));
    }
    *slot = Some(value);
    Ok(())
}

fn networks(given: Given<'_>) -> Result<Networks<'_>, RuleError> {
    let read = |piece| Network::read(piece, given.family);
    let list = given.first.split(',').map(read).collect::<Result<Vec<_>, _>>()?;
    if given.negated && list.len() > 1 {
        return Err(given.first.wrong(Problem::NegatedList));
    }
    if given.negated && list.iter().any(Network::is_any) {
        return Err(given.first.wrong(Problem::Never));
    }
    Ok(Networks { option: given.option, negated: given.negated, list })
}

fn interface(given: Given<'_>) -> Result<Condition<Interface>, RuleError> {
    let interface = Interface::read(given.first, given.family)?;
    if given.negated && interface.is_any() {
        return Err(given.first.wrong(Problem::Never));
    }
    Ok(given.condition(interface))
}

fn protocol(given: Given<'_>) -> Result<Condition<Protocol>, RuleError> {
    let protocol = Protocol::read(given.first, given.family)?;
    if given.negated && protocol == Protocol::ALL {
        return Err(given.first.wrong(Problem::Never));
    }
    Ok(given.condition(protocol))
}

fn match_names(family: Family) -> impl Iterator<Item = &'static str> {
    crate::rules::matches::MODULES
        .iter()
        .filter(move |module| module.is_for(family))
        .map(|module| module.name)
}
