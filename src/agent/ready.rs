//! What has to be in order before a call can come to this desktop, and after: phone, microphone, sound.

use crate::agent::recovery::Recovery;
use crate::agent::{Agent, Dialog, Effect, Microphone, Timer};
use rejoin_protocol::Millis;
use rejoin_protocol::api::Stage;

#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    pub(super) microphone: Microphone,
    /// A microphone of which nothing is known was waited for long enough.
    waited: bool,
    /// Flex's phone is looking at the devices.
    phone_looks: bool,
    /// The browser has refused to play the call.
    pub(super) silenced: bool,
}

/// How long Flex's phone may take to look at devices that have changed.
const PHONE_LOOKS_WITHIN: Millis = Millis::seconds(1);

impl Ready {
    fn has_microphone(&self) -> bool {
        match self.microphone {
            Microphone::Granted => true,
            Microphone::Unknown => self.waited,
            Microphone::Denied | Microphone::Missing => false,
        }
    }
}

impl Agent {
    /// The page acts from now on. A browser may never tell about the microphone: it is not waited for without end.
    pub(super) fn await_microphone(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.ready.microphone == Microphone::Unknown {
            let at = now + self.config.microphone_within;
            out.push(Effect::SetTimer { timer: Timer::Microphone, at });
        }
    }

    /// It has not told in time.
    pub(super) fn waited_for_microphone(&mut self) {
        self.ready.waited = true;
    }

    /// Flex rejects calls until it has found the microphone itself: when its phone says that devices have changed, it
    /// asks for one. Who asks behind it gets an answer after it.
    pub(super) fn devices_changed(&mut self, now: Millis, phone_tells: bool, out: &mut Vec<Effect>) {
        self.ready.phone_looks = true;
        if phone_tells {
            out.push(Effect::SetTimer { timer: Timer::Devices, at: now + PHONE_LOOKS_WITHIN });
        } else {
            self.phone_looked(out);
        }
    }

    /// It has said so, or takes too long.
    pub(super) fn phone_looked(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.ready.phone_looks) {
            out.extend([Effect::ClearTimer { timer: Timer::Devices }, Effect::TryMicrophone]);
        }
    }

    /// Can a call come to this page?
    pub(super) fn can_talk(&self) -> bool {
        self.phone_registered && self.ready.has_microphone()
    }

    fn talks(&self) -> bool {
        self.calls.values().any(|call| call.is_accepted() && call.facts.live_call)
    }

    /// The agent is on a call and hears nothing before he or she clicks.
    pub(super) fn needs_click(&self) -> Option<Dialog> {
        (self.ready.silenced && self.talks() && !self.waits).then_some(Dialog::NeedsClick)
    }

    /// Why the agent is not back yet, as far as it is this desktop.
    pub(super) fn obstacle(&self, recovery: &Recovery) -> Option<Dialog> {
        if recovery.overdue || self.talks() {
            return None;
        }
        let remaining = recovery.view.remaining_ms.map(|remaining| recovery.heard + Millis(remaining));
        let (until, awaited) = match recovery.view.stage {
            Stage::Interrupted => (remaining, false),
            Stage::InPlace => (None, true), // at the end of this time the second rung begins
            Stage::Requeueing | Stage::Queued => (remaining, true),
            _ => return None,
        };
        match self.ready.microphone {
            Microphone::Denied => Some(Dialog::MicrophoneDenied { until }),
            Microphone::Missing => Some(Dialog::NoMicrophone { until }),
            Microphone::Granted | Microphone::Unknown => {
                (awaited && !self.phone_registered).then_some(Dialog::WaitingForPhone { until })
            }
        }
    }
}
