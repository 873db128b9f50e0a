//! (stress)
