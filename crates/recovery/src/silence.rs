//! A page that may be gone, although it has said no goodbye and its leg stands.

use rejoin_protocol::{CallSid, Millis};
use serde::{Deserialize, Serialize};

/// A page that may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Silence {
    /// The page is being asked whether it lives.
    Asked {
        /// The page's leg.
        leg: CallSid,
    },
    /// The page answers by neither way.
    Silent {
        /// The page's leg.
        leg: CallSid,
        /// Since when the page counts as silent (point in time).
        since: Millis,
        /// When the announcement to the customer began (point in time), as far as is known.
        words_at: Option<Millis>,
    },
}

impl Silence {
    /// The page's leg.
    pub fn leg(&self) -> &CallSid {
        let (Self::Asked { leg } | Self::Silent { leg, .. }) = self;
        leg
    }
}
