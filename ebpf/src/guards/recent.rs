//! Lists of recent addresses.

use berth_common::{
    abi::{
        rules::{Dimension, external::Recent},
        units::{ContainerId, Nanos},
    },
    engine::{
        Headers,
        classify::Answer,
        external::{
            self,
            recent::{self, LOOKS, Sight},
        },
    },
};

use crate::{rules, seams::NoContext, tables::Maps};

/// The walk at `place` is told what the list that it asks for answers.
#[inline(always)]
pub fn ask(headers: &Headers, container: ContainerId, place: u32) {
    if seam_sight(headers, container.0, place) == 0 {
        rules::tell(place, Answer::No);
        return;
    }
    for _ in 0..LOOKS {
        seam_look(place);
        if seam_act(place) == 0 {
            return;
        }
    }
    rules::tell(place, Answer::TableFull);
}

/// Writes down what a list of recent addresses is asked, and which.
#[unsafe(no_mangle)]
extern "C" fn seam_sight(headers: *const Headers, container: u32, place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { &*headers };
    let maps = Maps::new(NoContext);
    let Some(object) = external::object(&maps, ContainerId(container), scratch.state.asked()) else {
        return 0;
    };
    let asked = Recent::from_parameters(scratch.state.asked().parameters);
    let ttl = scratch.question.fields.get(Dimension::Ttl) as u8;
    scratch.bucket.object = object;
    scratch.sight = Sight::new(headers, ttl, maps.now(), &asked);
    1
}

/// As [`recent::look`].
#[unsafe(no_mangle)]
extern "C" fn seam_look(place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    let asked = Recent::from_parameters(scratch.state.asked().parameters);
    let maps = Maps::at(NoContext, Nanos(0));
    recent::look(&maps, &scratch.bucket.object, (&scratch.sight, &asked), &mut scratch.look);
    1
}

/// As [`recent::act`]: the walk at `place` is told what the list answers, unless that is to be asked again.
#[unsafe(no_mangle)]
extern "C" fn seam_act(place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    let asked = Recent::from_parameters(scratch.state.asked().parameters);
    let maps = Maps::at(NoContext, Nanos(0));
    let answer = recent::act(&maps, &scratch.bucket.object, (&scratch.sight, &asked), &scratch.look);
    scratch.state.give(answer);
    (answer == Answer::Later) as u32
}
