//! Atomic instructions on map values.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg};

use aya_ebpf::Global;
use berth_common::engine::{flow_table::Half, tables::Word};

/// Whether tasks may take the processor from TC programs, which they may where the kernel is `PREEMPT_RT`. Constant: the loader
/// says so.
#[unsafe(no_mangle)]
pub static PREEMPTIBLE: Global<u32> = Global::new(0);

/// A word in a map value.
#[derive(Clone, Copy)]
pub struct MapWord(*mut u64);

impl MapWord {
    /// # Safety
    ///
    /// `word` must point to an aligned word of a map value that stays valid while the program runs.
    #[inline(always)]
    pub unsafe fn new(word: *mut u64) -> Self {
        Self(word)
    }
}

impl Word for MapWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: Valid by construction.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn swap(&self, old: u64, new: u64) -> bool {
        // SAFETY: Valid by construction.
        let (seen, _) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::AcqRel }, { AtomicOrdering::Acquire }>(self.0, old, new)
        };
        seen == old
    }

    #[inline(always)]
    fn add(&self, value: u64) -> u64 {
        // LLVM 22 gives back the addend instead of the old value for a relaxed addition, so it must not be relaxed.
        // SAFETY: Valid by construction.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(self.0, value) }
    }
}

/// Half a word in a map value.
#[derive(Clone, Copy)]
pub struct MapHalf(*mut u32);

impl MapHalf {
    /// # Safety
    ///
    /// `half` must point to an aligned half of a word of a map value that stays valid while the program runs.
    #[inline(always)]
    pub unsafe fn new(half: *mut u32) -> Self {
        Self(half)
    }
}

impl Half for MapHalf {
    #[inline(always)]
    fn load(&self) -> u32 {
        // SAFETY: Valid by construction.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn swap(&self, old: u32, new: u32) -> bool {
        // SAFETY: Valid by construction.
        unsafe { swap(self.0, old, new) }
    }

    #[inline(always)]
    fn exchange(&self, new: u32) -> u32 {
        // SAFETY: Valid by construction.
        unsafe { atomic_xchg::<u32, { AtomicOrdering::AcqRel }>(self.0, new) }
    }
}

/// Sets half a word to `new` if it is still `old`; tells whether it was.
///
/// # Safety
///
/// `half` must point to an aligned half of a word of a map value.
#[inline(always)]
pub unsafe fn swap(half: *mut u32, old: u32, new: u32) -> bool {
    // SAFETY: The caller's.
    let (seen, _) = unsafe {
        atomic_cxchg::<u32, { AtomicOrdering::AcqRel }, { AtomicOrdering::Acquire }>(half, old, new)
    };
    seen == old
}

/// Takes a word of this processor's own that is zero while nobody has it; tells whether nobody had it. For TC programs, as [`add_alone`] is.
///
/// # Safety
///
/// As of [`add_alone`].
#[inline(always)]
pub unsafe fn take_alone(word: *mut u64) -> bool {
    // SAFETY: The caller's.
    unsafe {
        if PREEMPTIBLE.load() != 0 {
            return MapWord::new(word).swap(0, 1);
        }
        let is_free = word.read_volatile() == 0;
        if is_free {
            word.write_volatile(1);
        }
        is_free
    }
}

/// Adds to a counter of this processor's own. For TC programs: softirqs are off while these run (but in test runs of older kernels), so
/// nobody else counts on this processor between the two halves of this, and who was interrupted by it counts by [`add`], which has no
/// halves.
///
/// # Safety
///
/// `counter` must point to an aligned word of a value of a map by processor.
#[inline(always)]
pub unsafe fn add_alone(counter: *mut u64, value: u64) {
    // SAFETY: The caller's.
    unsafe {
        if PREEMPTIBLE.load() == 0 {
            counter.write_volatile(counter.read_volatile().wrapping_add(value));
        } else {
            add(counter, value);
        }
    }
}

/// Writes a word, after all that was written before.
///
/// # Safety
///
/// `word` must point to an aligned word of a map value.
#[inline(always)]
pub unsafe fn put(word: *mut u64, value: u64) {
    // SAFETY: The caller's.
    unsafe { atomic_xchg::<u64, { AtomicOrdering::AcqRel }>(word, value) };
}

/// Adds to a counter whose old value nobody needs.
///
/// # Safety
///
/// `counter` must point to an aligned word of a map value.
#[inline(always)]
pub unsafe fn add(counter: *mut u64, value: u64) {
    // SAFETY: The caller's.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, value) };
}
