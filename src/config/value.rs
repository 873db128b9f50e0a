//! From a setting's text to the type in which the broker reads it.

/// Text that a property's `Kind` has accepted becomes a value; `None` says that it cannot.
pub(super) trait Value: Sized {
    fn from_text(text: &str) -> Option<Self>;

    /// For a setting that is not set and has no default.
    fn unset() -> Option<Self> {
        None
    }
}

impl Value for bool {
    fn from_text(text: &str) -> Option<bool> {
        match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

macro_rules! parsed {
    ($($type:ty)*) => { $(
        impl Value for $type {
            fn from_text(text: &str) -> Option<$type> {
                text.parse().ok()
            }
        }
    )* };
}

parsed! { i32 i64 f64 String }

impl<T: Value> Value for Option<T> {
    fn from_text(text: &str) -> Option<Option<T>> {
        T::from_text(text).map(Some)
    }

    fn unset() -> Option<Option<T>> {
        Some(None)
    }
}

impl Value for Vec<String> {
    fn from_text(text: &str) -> Option<Vec<String>> {
        Some(super::property::items(text).into_iter().map(str::to_owned).collect())
    }
}

/// A text that was accepted and cannot be read means that the declaration contradicts itself.
pub(super) fn read<T: Value>(name: &str, text: Option<&str>) -> T {
    let value = match text {
        Some(text) => T::from_text(text.trim()),
        None => T::unset(),
    };
    value.unwrap_or_else(|| panic!("{name}: the declared kind accepts {text:?}, its type does not"))
}
