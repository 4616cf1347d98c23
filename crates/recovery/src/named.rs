//! A name for each variant of an enum, and the list of all names.

macro_rules! names {
    ($($type:ident, $name:ident { $($pattern:pat => $text:literal,)+ })+) => { $(
        impl $type {
            /// All names, so that a test can check that each has occurred.
            pub const NAMES: &[&str] = &[$($text),+];

            /// The variant's name.
            pub fn $name(&self) -> &'static str {
                match self { $($pattern => $text),+ }
            }
        }
    )+ };
}

pub(crate) use names;
