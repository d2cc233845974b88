//! The programs that the object has to contain: `programs.txt`.

use anyhow::{Result, bail};

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    pub section: String,
    pub name: String,
}

impl Program {
    /// What the program is attached to, where its section says so: `tcp` of `iter/tcp`.
    pub fn attached_to(&self) -> Option<&str> {
        self.section.split_once('/').map(|(_, hook)| hook)
    }
}

/// The project's list.
pub fn expected() -> Result<Vec<Program>> {
    parse(include_str!("../../programs.txt"))
}

fn parse(text: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::<Program>::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let program = match content.split_whitespace().collect::<Vec<_>>()[..] {
            [] => continue,
            [section, name] => Program { section: section.to_owned(), name: name.to_owned() },
            _ => bail!("programs.txt:{}: not `section program_name`: {line}", index + 1),
        };
        if programs.iter().any(|known| known.name == program.name) {
            bail!("programs.txt:{}: {} is listed twice", index + 1, program.name);
        }
        programs.push(program);
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let programs = parse("# the list\n\nclassifier  ingress # TC\niter/tcp adopt\n").unwrap();
        let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names, ["ingress", "adopt"]);
        assert_eq!(programs[0].attached_to(), None);
        assert_eq!(programs[1].attached_to(), Some("tcp"));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = parse("classifier a\nclassifier\n").unwrap_err();
        assert!(error.to_string().starts_with("programs.txt:2:"), "{error}");
        let error = parse("classifier a\nxdp a\n").unwrap_err();
        assert!(error.to_string().contains("a is listed twice"), "{error}");
    }

    #[test]
    fn the_project_s_own_list_is_well_formed() {
        expected().unwrap();
    }
}
