//! Which chains lead to which.

use super::{
    CompileError,
    input::{Action, Chain, ChainId, Program, Rule},
};

/// How deeply chains may be nested, jumps and gotos together.
pub(super) const MAX_NESTING: usize = 16;

/// Refuses loops and deep nesting among the chains that packets can come to, and rules that lead nowhere.
pub(super) fn check(program: &Program) -> Result<(), CompileError> {
    let mut search = Search { program, height: vec![None; program.chains.len()], path: Vec::new() };
    for id in program.legs().filter_map(|leg| leg.chain) {
        let chain = program.chains.get(id.0).ok_or(CompileError::NoChain(id.0))?;
        search.rules(&chain.rules)?;
    }
    Ok(())
}

struct Search<'a> {
    program: &'a Program,
    /// How many chains a chain leads to one after another, itself included, where that is known.
    height: Vec<Option<usize>>,
    /// The chains that led here.
    path: Vec<ChainId>,
}

impl Search<'_> {
    /// The height of the highest chain that the rules lead to.
    fn rules(&mut self, rules: &[Rule]) -> Result<usize, CompileError> {
        let mut height = 0;
        for rule in rules {
            if let Some(id) = target(rule) {
                height = height.max(self.chain(id)?);
            }
        }
        Ok(height)
    }

    fn chain(&mut self, id: ChainId) -> Result<usize, CompileError> {
        let chain = self.program.chains.get(id.0).ok_or(CompileError::NoChain(id.0))?;
        if self.path.contains(&id) {
            return Err(CompileError::Loop(chain.name.clone()));
        }
        let known = self.height.get(id.0).copied().flatten();
        if self.path.len() + known.unwrap_or(1) > MAX_NESTING {
            return Err(too_deep(chain));
        }
        if let Some(height) = known {
            return Ok(height);
        }
        self.path.push(id);
        let height = self.rules(&chain.rules)? + 1;
        self.path.pop();
        if let Some(place) = self.height.get_mut(id.0) {
            *place = Some(height);
        }
        Ok(height)
    }
}

const fn target(rule: &Rule) -> Option<ChainId> {
    match rule.action {
        Action::Jump(id) | Action::Goto(id) => Some(id),
        Action::Accept
        | Action::Drop
        | Action::Reject(_)
        | Action::Return
        | Action::Log(_)
        | Action::SetMark { .. }
        | Action::Translate(_)
        | Action::Continue => None,
    }
}

fn too_deep(chain: &Chain) -> CompileError {
    CompileError::TooDeep { chain: chain.name.clone(), limit: MAX_NESTING }
}
