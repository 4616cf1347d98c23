//! A name for each variant of an enum, and the list of all names.

macro_rules! names {
    ($($type:ident, $name:ident { $($pattern:pat => $text:literal,)+ })+) => { $(
        impl $type {
            /// All of them, so that a test can ask whether each was there.
            pub const NAMES: &[&str] = &[$($text),+];

            /// What it is called.
            pub fn $name(&self) -> &'static str {
                match self { $($pattern => $text),+ }
            }
        }
    )+ };
}

pub(crate) use names;
