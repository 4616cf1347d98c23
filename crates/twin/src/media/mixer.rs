//! Conferences as arithmetic on frames: no sockets, no clock, no WebRTC.

use super::audio::{FRAME, Frame, RATE};
use super::transcript::{Activity, Transcript};
use super::{Clip, Line};
use crate::model::{Audience, PlayId};
use rejoin_protocol::{CallSid, ConferenceSid};
use std::collections::{BTreeMap, VecDeque};

/// Playing starts once 40 ms are buffered: one packet may then be late by 20 ms without a gap.
const PREFILL: usize = 2 * FRAME;
/// The lag never exceeds 200 ms: clocks drift, and a stalled browser sends its backlog in one burst.
const LIMIT: usize = 10 * FRAME;

/// All legs and their conferences. Advances by [`Mixer::tick`].
#[derive(Debug, Default)]
pub(super) struct Mixer {
    members: BTreeMap<CallSid, Member>,
    /// What plays to conferences.
    prompts: BTreeMap<ConferenceSid, Queue>,
    /// Clips that have ended, to report.
    pub(super) played: Vec<PlayId>,
    /// New lines of transcripts, to report.
    pub(super) lines: Vec<(CallSid, Line)>,
}

impl Mixer {
    /// Adds a leg, in no conference.
    pub(super) fn add(&mut self, call: CallSid) {
        self.members.insert(call, Member::default());
    }

    /// Removes a leg; what played to it ends.
    pub(super) fn remove(&mut self, call: &CallSid) {
        if let Some(member) = self.members.remove(call) {
            self.played.extend(member.playing.into_plays());
        }
        self.end_unheard();
    }

    /// Moves the leg to this conference, or to none.
    pub(super) fn place(&mut self, call: &CallSid, room: Option<ConferenceSid>) {
        self.change(call, |member| member.room = room);
        self.end_unheard();
    }

    /// Mutes the leg, or unmutes it.
    pub(super) fn mute(&mut self, call: &CallSid, muted: bool) {
        self.change(call, |member| member.muted = muted);
    }

    /// Only this leg hears the other one, if both are in the same conference; or everybody does again.
    pub(super) fn coach(&mut self, call: &CallSid, coached: Option<CallSid>) {
        self.change(call, |member| member.coaches = coached);
    }

    /// Puts the leg on hold with this music, or ends the hold. Clips that were queued for the hold are dropped.
    pub(super) fn hold(&mut self, call: &CallSid, music: Option<Clip>) {
        self.change(call, |member| {
            member.hold = music.map(|clip| Hold { music: Playing::new(clip), queue: Queue::default() });
        });
    }

    /// Queues a clip. It ends at once when nobody is there to hear it.
    pub(super) fn play(&mut self, play: PlayId, to: Audience, clip: Clip) {
        match to {
            Audience::Leg(call) => match self.members.get_mut(&call) {
                Some(member) => member.playing.push(play, clip),
                None => self.played.push(play),
            },
            Audience::OnHold(call) => match self.members.get_mut(&call).and_then(|m| m.hold.as_mut()) {
                Some(hold) => hold.queue.push(play, clip),
                None => self.played.push(play),
            },
            Audience::Conference(room) => self.prompts.entry(room).or_default().push(play, clip),
        }
        self.end_unheard();
    }

    /// Drops what plays to this leg alone, without a report.
    pub(super) fn stop_playing(&mut self, call: &CallSid) {
        if let Some(member) = self.members.get_mut(call) {
            member.playing = Queue::default();
        }
    }

    /// Takes audio that a leg sent.
    pub(super) fn receive(&mut self, call: &CallSid, samples: &[i16]) {
        if let Some(member) = self.members.get_mut(call) {
            member.receive(samples);
        }
    }

    /// The leg, for measurements.
    pub(super) fn member(&self, call: &CallSid) -> Option<&Member> {
        self.members.get(call)
    }

    /// Advances by 20 ms and returns what each leg hears.
    pub(super) fn tick(&mut self) -> Vec<(CallSid, Frame)> {
        // One sum per conference, from which each member subtracts itself (mix-minus): the work grows with the
        // members, not with their pairs. The same applies to who is audible.
        let mut rooms: BTreeMap<ConferenceSid, Room> = BTreeMap::new();
        for member in self.members.values_mut() {
            member.speak();
            if let Some(sid) = &member.room {
                let room = rooms.entry(sid.clone()).or_default();
                room.sum.iter_mut().zip(&member.said).for_each(|(sum, &said)| *sum += i32::from(said));
                room.voices += usize::from(member.voice.audible());
                if let Some(coached) = &member.coaches {
                    room.whispers.push((coached.clone(), member.whispered));
                }
            }
        }
        for (sid, queue) in &mut self.prompts {
            let room = rooms.entry(sid.clone()).or_default();
            room.prompt = queue.next(&mut self.played);
        }
        self.prompts.retain(|_, queue| !queue.is_empty());
        let mut frames = Vec::with_capacity(self.members.len());
        for (call, member) in &mut self.members {
            let room = member.room.as_ref().and_then(|sid| rooms.get(sid));
            let (frame, line) = member.hear(call, room, &mut self.played);
            self.lines.extend(line.map(|line| (call.clone(), line)));
            frames.push((call.clone(), frame));
        }
        frames
    }

    /// Changes who hears a leg. Its voice so far belongs to those who heard it until now.
    fn change(&mut self, call: &CallSid, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(call) {
            change(member);
            member.voice = Activity::default();
        }
    }

    /// Ends clips of conferences that are empty now.
    fn end_unheard(&mut self) {
        let members = &self.members;
        let nobody_in =
            |sid: &ConferenceSid| !members.values().any(|member| member.room.as_ref() == Some(sid));
        for (_, queue) in self.prompts.extract_if(.., |sid, _| nobody_in(sid)) {
            self.played.extend(queue.into_plays());
        }
    }
}

/// A leg as the mixer sees it.
#[derive(Debug)]
pub(super) struct Member {
    room: Option<ConferenceSid>,
    muted: bool,
    /// The only leg that hears it.
    coaches: Option<CallSid>,
    /// While on hold: what it hears.
    hold: Option<Hold>,
    /// What plays to it alone.
    playing: Queue,
    /// Jitter buffer.
    received: VecDeque<i16>,
    flowing: bool,
    /// What the others get of it in this frame.
    said: Frame,
    /// What the coached leg gets of it in this frame.
    whispered: Frame,
    voice: Activity,
    sent: VecDeque<i16>,
    heard: VecDeque<i16>,
    transcript: Transcript,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            room: None,
            muted: false,
            coaches: None,
            hold: None,
            playing: Queue::default(),
            received: VecDeque::new(),
            flowing: false,
            said: [0; FRAME],
            whispered: [0; FRAME],
            voice: Activity::default(),
            sent: VecDeque::new(),
            heard: VecDeque::new(),
            transcript: Transcript::default(),
        }
    }
}

impl Member {
    /// The last second of audio that it sent.
    pub(super) fn sent(&self) -> Vec<i16> {
        self.sent.iter().copied().collect()
    }

    /// The last second of audio that it heard.
    pub(super) fn heard(&self) -> Vec<i16> {
        self.heard.iter().copied().collect()
    }

    /// What it heard, in words.
    pub(super) fn transcript(&self) -> &[Line] {
        self.transcript.lines()
    }

    fn receive(&mut self, samples: &[i16]) {
        remember(&mut self.sent, samples);
        self.received.extend(samples);
        if self.received.len() > LIMIT {
            self.received.drain(..self.received.len() - PREFILL);
        }
    }

    fn speak(&mut self) {
        self.flowing = self.received.len() >= if self.flowing { FRAME } else { PREFILL };
        // Taken from the buffer even when nobody hears it, so that what follows is not late.
        let mut taken = self.received.drain(..if self.flowing { FRAME } else { 0 });
        let said = std::array::from_fn(|_| taken.next().unwrap_or(0));
        drop(taken);
        let said = if self.muted || self.hold.is_some() { [0; FRAME] } else { said };
        let silence = [0; FRAME];
        (self.said, self.whispered) = if self.coaches.is_some() { (silence, said) } else { (said, silence) };
        self.voice.hear(&self.said);
    }

    fn hear(
        &mut self,
        call: &CallSid,
        room: Option<&Room>,
        played: &mut Vec<PlayId>,
    ) -> (Frame, Option<Line>) {
        let mut sum = [0_i32; FRAME];
        let mut labels = vec![];
        let own = self.playing.next(played);
        if let Some(hold) = &mut self.hold {
            // Clips for this leg alone are heard on hold, too, instead of the music.
            if own.is_none() {
                let sound = hold.queue.next(played).unwrap_or_else(|| hold.music.next_of_loop());
                add(&mut sum, &sound.frame);
                labels.extend(sound.label);
            }
        } else if let Some(room) = room {
            sum = room.sum;
            sum.iter_mut().zip(&self.said).for_each(|(sum, &said)| *sum -= i32::from(said));
            for (_, frame) in room.whispers.iter().filter(|(coached, _)| coached == call) {
                add(&mut sum, frame);
            }
            if room.voices > usize::from(self.voice.audible()) {
                labels.push("agent".to_owned());
            }
            if let Some(prompt) = &room.prompt {
                add(&mut sum, &prompt.frame);
                labels.extend(prompt.label.clone());
            }
        }
        if let Some(sound) = own {
            add(&mut sum, &sound.frame);
            labels.extend(sound.label);
        }
        labels.dedup();
        let frame = sum.map(|s| s.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        remember(&mut self.heard, &frame);
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        (frame, self.transcript.hear(&labels))
    }
}

/// What is heard on hold.
#[derive(Debug)]
struct Hold {
    /// Loops.
    music: Playing,
    /// Plays instead of the music.
    queue: Queue,
}

/// The content of a conference during one frame.
struct Room {
    sum: [i32; FRAME],
    /// Number of audible members.
    voices: usize,
    /// What only one leg hears.
    whispers: Vec<(CallSid, Frame)>,
    prompt: Option<Sound>,
}

impl Default for Room {
    fn default() -> Self {
        Self { sum: [0; FRAME], voices: 0, whispers: Vec::new(), prompt: None }
    }
}

/// 20 ms of a clip; the label when it is audible.
struct Sound {
    frame: Frame,
    label: Option<String>,
}

/// A clip and its position.
#[derive(Debug)]
struct Playing {
    clip: Clip,
    at: usize,
    activity: Activity,
}

impl Playing {
    fn new(clip: Clip) -> Self {
        Self { clip, at: 0, activity: Activity::default() }
    }

    fn next(&mut self) -> Sound {
        let rest = self.clip.samples.get(self.at..).unwrap_or_default();
        let frame = std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0));
        self.at += FRAME;
        self.sound(frame)
    }

    fn next_of_loop(&mut self) -> Sound {
        let samples = &self.clip.samples;
        let length = samples.len().max(1);
        let frame = std::array::from_fn(|i| samples.get((self.at + i) % length).copied().unwrap_or(0));
        self.at = (self.at + FRAME) % length;
        self.sound(frame)
    }

    fn sound(&mut self, frame: Frame) -> Sound {
        self.activity.hear(&frame);
        // A clip of silence is a pause, which has no label.
        Sound { frame, label: self.activity.audible().then(|| self.clip.label.clone()) }
    }

    fn has_ended(&self) -> bool {
        self.at >= self.clip.samples.len()
    }
}

/// Clips one after the other.
#[derive(Debug, Default)]
struct Queue(VecDeque<(PlayId, Playing)>);

impl Queue {
    fn push(&mut self, play: PlayId, clip: Clip) {
        self.0.push_back((play, Playing::new(clip)));
    }

    /// The next 20 ms; a clip that ends with them is added to `played`.
    fn next(&mut self, played: &mut Vec<PlayId>) -> Option<Sound> {
        let (play, playing) = self.0.front_mut()?;
        let sound = playing.next();
        if playing.has_ended() {
            played.push(*play);
            self.0.pop_front();
        }
        Some(sound)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_plays(self) -> impl Iterator<Item = PlayId> {
        self.0.into_iter().map(|(play, _)| play)
    }
}

fn add(sum: &mut [i32; FRAME], frame: &Frame) {
    sum.iter_mut().zip(frame).for_each(|(sum, &s)| *sum += i32::from(s));
}

/// Keeps the last second.
fn remember(second: &mut VecDeque<i16>, samples: &[i16]) {
    second.extend(samples);
    second.drain(..second.len().saturating_sub(RATE));
}

#[cfg(test)]
#[path = "mixer_tests.rs"]
mod tests;
