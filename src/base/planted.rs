//! Bugs planted on purpose: the proof that the tests which should find them do. They exist only
//! with the feature `planted-bugs`, and then only those that `RINGMAIN_PLANTED` names, separated by
//! commas; it is read once. Without the feature every question is a constant `false`.

#[cfg(feature = "planted-bugs")]
pub fn is(name: &str) -> bool {
    static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let planted = PLANTED.get_or_init(|| std::env::var("RINGMAIN_PLANTED").unwrap_or_default());
    planted.split(',').any(|planted| planted == name)
}

#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_name: &str) -> bool {
    false
}
