//! What must be in order before a call can come to this desktop, and after: phone, microphone, sound.

use crate::agent::recovery::Recovery;
use crate::agent::{Agent, Dialog, Effect, Microphone, Timer};
use rejoin_protocol::Millis;
use rejoin_protocol::api::Stage;

#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    pub(super) microphone: Microphone,
    /// True when the wait for an unknown microphone is over.
    waited: bool,
    /// True while Flex's phone checks the devices.
    phone_looks: bool,
    /// True when the browser has refused to play the call.
    pub(super) silenced: bool,
}

/// How long Flex's phone may take to check changed devices.
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
    /// The page acts from now on. A browser may never report the microphone: the wait for it is bounded.
    pub(super) fn await_microphone(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.ready.microphone == Microphone::Unknown {
            let at = now + self.config.microphone_within;
            out.push(Effect::SetTimer { timer: Timer::Microphone, at });
        }
    }

    /// The browser has not reported it in time.
    pub(super) fn waited_for_microphone(&mut self) {
        self.ready.waited = true;
    }

    /// Flex rejects calls until Flex itself has found a microphone, which it requests when its phone reports changed devices. Our request,
    /// made after that, is answered after Flex's.
    pub(super) fn devices_changed(&mut self, now: Millis, phone_tells: bool, out: &mut Vec<Effect>) {
        self.ready.phone_looks = true;
        if phone_tells {
            out.push(Effect::SetTimer { timer: Timer::Devices, at: now + PHONE_LOOKS_WITHIN });
        } else {
            self.phone_looked(out);
        }
    }

    /// Flex's phone has checked the devices, or takes too long.
    pub(super) fn phone_looked(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.ready.phone_looks) {
            out.extend([Effect::ClearTimer { timer: Timer::Devices }, Effect::TryMicrophone]);
        }
    }

    /// True when a call can come to this page.
    pub(super) fn can_talk(&self) -> bool {
        self.phone_registered && self.ready.has_microphone()
    }

    fn talks(&self) -> bool {
        self.calls.values().any(|call| call.is_accepted() && call.facts.live_call)
    }

    /// The dialog for an agent who is on a call and hears nothing before a click.
    pub(super) fn needs_click(&self) -> Option<Dialog> {
        (self.ready.silenced && self.talks() && !self.waits).then_some(Dialog::NeedsClick)
    }

    /// The reason on this desktop why the agent is not back yet, if any.
    pub(super) fn obstacle(&self, recovery: &Recovery) -> Option<Dialog> {
        if recovery.overdue || self.talks() {
            return None;
        }
        let remaining = recovery.view.remaining_ms.map(|remaining| recovery.heard + Millis(remaining));
        let (until, awaited) = match recovery.view.stage {
            Stage::Interrupted => (remaining, false),
            Stage::InPlace => (None, true), // after this time the second rung begins
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
