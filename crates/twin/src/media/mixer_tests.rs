//! Tests of the mixer.

use super::*;

fn call(n: u128) -> CallSid {
    CallSid::numbered(n)
}

fn room(n: u128) -> Option<ConferenceSid> {
    Some(ConferenceSid::numbered(n))
}

/// A leg in the conference with this number whose voice is a constant level.
fn add(mixer: &mut Mixer, n: u128, in_room: u128) {
    mixer.add(call(n));
    mixer.place(&call(n), room(in_room));
}

/// Lets the legs speak for this many frames at their level; returns the level that each hears in the last frame.
fn run(mixer: &mut Mixer, frames: usize, levels: &[(u128, i16)]) -> Vec<i16> {
    let mut heard = vec![];
    for _ in 0..frames {
        levels.iter().for_each(|&(n, level)| mixer.receive(&call(n), &[level; FRAME]));
        heard = mixer.tick();
    }
    heard.iter().map(|(_, frame)| frame[FRAME - 1]).collect()
}

fn clip(label: &str, level: i16, frames: usize) -> Clip {
    Clip { label: label.into(), samples: vec![level; frames * FRAME].into() }
}

fn transcript(mixer: &Mixer, n: u128) -> Vec<(u64, &str)> {
    let member = mixer.member(&call(n)).expect("a member");
    member.transcript().iter().map(|line| (line.at, line.heard.as_str())).collect()
}

#[test]
fn each_leg_hears_the_others_in_its_conference_and_never_itself() {
    let mut mixer = Mixer::default();
    (1..=3).for_each(|n| add(&mut mixer, n, 1));
    add(&mut mixer, 4, 2);
    mixer.play(PlayId(1), Audience::Leg(call(4)), clip("", 7, 9));
    let heard = run(&mut mixer, 2, &[(1, 1), (2, 20), (3, 300), (4, 4000)]);
    assert_eq!(heard, [320, 301, 21, 7]);
}

#[test]
fn loud_rooms_clip_and_a_backlog_is_dropped() {
    let mut mixer = Mixer::default();
    (1..=3).for_each(|n| add(&mut mixer, n, 1));
    assert_eq!(run(&mut mixer, 2, &[(1, 30_000), (2, 30_000), (3, 30_000)])[0], i16::MAX);
    mixer.receive(&call(1), &[1; RATE]);
    assert_eq!(mixer.members[&call(1)].received.len(), PREFILL);
}

#[test]
fn a_late_packet_makes_no_gap_and_a_gap_refills_the_buffer() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    // Two frames are buffered before the first is played, so one may be late.
    let heard: Vec<i16> = [1, 1, 0, 2, 1, 0, 0, 1, 1]
        .map(|packets| {
            (0..packets).for_each(|_| mixer.receive(&call(1), &[5; FRAME]));
            mixer.tick()[1].1[0]
        })
        .to_vec();
    assert_eq!(heard, [0, 5, 5, 5, 5, 5, 0, 0, 5]);
}

#[test]
fn a_coach_hears_all_and_only_the_coached_leg_hears_the_coach() {
    let mut mixer = Mixer::default();
    (1..=3).for_each(|n| add(&mut mixer, n, 1));
    mixer.coach(&call(3), Some(call(2)));
    let voices = [(1, 1000), (2, 2000), (3, 500)];
    assert_eq!(run(&mut mixer, 5, &voices), [2000, 1500, 3000]);
    mixer.mute(&call(3), true);
    assert_eq!(run(&mut mixer, 5, &voices), [2000, 1000, 3000]);
    mixer.mute(&call(3), false);
    // The coached leg is elsewhere: nobody hears the coach.
    mixer.place(&call(2), room(2));
    assert_eq!(run(&mut mixer, 5, &voices), [0, 0, 1000]);
    mixer.coach(&call(3), None);
    assert_eq!(run(&mut mixer, 5, &voices), [500, 0, 1000]);
}

#[test]
fn a_muted_leg_hears_and_is_not_heard() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    mixer.mute(&call(1), true);
    assert_eq!(run(&mut mixer, 5, &[(1, 1000), (2, 2000)]), [2000, 0]);
    assert_eq!(mixer.member(&call(1)).expect("a member").sent()[0], 1000, "what it sends is still measured");
    mixer.mute(&call(1), false);
    // What was said while muted is gone; nothing of it comes late.
    assert_eq!(run(&mut mixer, 1, &[(1, 3000), (2, 2000)]), [2000, 1000]);
    assert_eq!(run(&mut mixer, 1, &[(1, 3000), (2, 2000)]), [2000, 3000]);
}

#[test]
fn a_leg_on_hold_hears_music_in_a_loop_and_no_conference() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    let music = Clip { label: "hold music".into(), samples: (1..=FRAME as i16 + 1).collect() };
    mixer.hold(&call(1), Some(music));
    mixer.receive(&call(2), &[9000; FRAME]);
    assert_eq!(mixer.tick()[0].1[0], 1);
    let again = mixer.tick()[0].1;
    assert_eq!((again[0], again[1], again[2]), (FRAME as i16 + 1, 1, 2), "begins again without a gap");
    assert_eq!(run(&mut mixer, 5, &[(1, 5000), (2, 5000)])[1], 0, "is not heard");
    mixer.hold(&call(1), None);
    assert_eq!(run(&mut mixer, 3, &[(1, 5000), (2, 4000)]), [4000, 5000]);
}

#[test]
fn a_conference_prompt_is_heard_by_all_but_those_on_hold() {
    let mut mixer = Mixer::default();
    (1..=3).for_each(|n| add(&mut mixer, n, 1));
    add(&mut mixer, 4, 2);
    mixer.hold(&call(3), Some(clip("hold music", 70, 9)));
    mixer.play(PlayId(1), Audience::Conference(ConferenceSid::numbered(1)), clip("", 8, 9));
    assert_eq!(run(&mut mixer, 1, &[]), [8, 8, 70, 0]);
}

#[test]
fn a_clip_for_a_leg_on_hold_replaces_the_music() {
    let mut mixer = Mixer::default();
    add(&mut mixer, 1, 1);
    mixer.hold(&call(1), Some(clip("hold music", 7000, 9)));
    mixer.play(PlayId(1), Audience::Leg(call(1)), clip("announcement: x", 8000, 1));
    assert_eq!(run(&mut mixer, 1, &[]), [8000]);
    assert_eq!(run(&mut mixer, 1, &[]), [7000]);
}

#[test]
fn a_clip_on_hold_ends_with_the_hold() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    let on_hold = Audience::OnHold(call(1));
    mixer.play(PlayId(1), on_hold.clone(), clip("", 1, 50));
    assert_eq!(std::mem::take(&mut mixer.played), [PlayId(1)], "nobody was on hold");
    mixer.hold(&call(1), Some(clip("nothing", 0, 0)));
    for n in [2, 3] {
        mixer.play(PlayId(n), on_hold.clone(), clip("announcement: x", 8000, n as usize));
    }
    assert_eq!(run(&mut mixer, 2, &[(1, 5000), (2, 4000)]), [8000, 0]);
    assert_eq!(mixer.played, [PlayId(2)]);
    mixer.hold(&call(1), None);
    assert_eq!(run(&mut mixer, 3, &[(1, 5000), (2, 4000)]), [4000, 5000]);
    mixer.hold(&call(1), Some(clip("nothing", 0, 0)));
    assert_eq!(run(&mut mixer, 1, &[(2, 4000)]), [0, 0]);
}

#[test]
fn clips_queue_and_their_ends_are_reported_in_time() {
    let mut mixer = Mixer::default();
    add(&mut mixer, 1, 1);
    let to = Audience::Conference(ConferenceSid::numbered(1));
    mixer.play(PlayId(1), to.clone(), clip("", 10, 2));
    mixer.play(PlayId(2), to, clip("", 20, 1));
    mixer.play(PlayId(3), Audience::Leg(call(1)), clip("", 100, 1));
    mixer.play(PlayId(4), Audience::Leg(call(1)), clip("", 200, 1));
    let ticks: Vec<(i16, Vec<PlayId>)> =
        (0..4).map(|_| (mixer.tick()[0].1[0], std::mem::take(&mut mixer.played))).collect();
    let wanted =
        [(110, vec![PlayId(3)]), (210, vec![PlayId(1), PlayId(4)]), (20, vec![PlayId(2)]), (0, vec![])];
    assert_eq!(ticks, wanted);
}

#[test]
fn a_clip_that_nobody_hears_ends_at_once() {
    let mut mixer = Mixer::default();
    let conference = Audience::Conference(ConferenceSid::numbered(1));
    mixer.play(PlayId(1), conference.clone(), clip("", 1, 50));
    mixer.play(PlayId(2), Audience::Leg(call(9)), clip("", 1, 50));
    assert_eq!(std::mem::take(&mut mixer.played), [PlayId(1), PlayId(2)], "nobody was there");
    add(&mut mixer, 1, 1);
    for n in [3, 4] {
        mixer.play(PlayId(n), conference.clone(), clip("", 1, 50));
    }
    mixer.tick();
    assert!(mixer.played.is_empty());
    mixer.place(&call(1), room(2));
    assert_eq!(std::mem::take(&mut mixer.played), [PlayId(3), PlayId(4)], "the last one left the conference");
    for n in [5, 6] {
        mixer.play(PlayId(n), Audience::Leg(call(1)), clip("", 1, 50));
    }
    mixer.play(PlayId(7), Audience::Conference(ConferenceSid::numbered(2)), clip("", 1, 50));
    mixer.remove(&call(1));
    assert_eq!(std::mem::take(&mut mixer.played), [PlayId(5), PlayId(6), PlayId(7)], "the leg is gone");
}

#[test]
fn stopped_clips_are_not_reported() {
    let mut mixer = Mixer::default();
    add(&mut mixer, 1, 1);
    mixer.play(PlayId(1), Audience::Leg(call(1)), clip("", 1, 50));
    mixer.play(PlayId(2), Audience::Conference(ConferenceSid::numbered(1)), clip("", 40, 2));
    mixer.stop_playing(&call(1));
    assert_eq!(run(&mut mixer, 2, &[]), [40]);
    assert_eq!(mixer.played, [PlayId(2)]);
}

#[test]
fn a_transcript_names_who_is_heard_by_loudness() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    run(&mut mixer, 50, &[(1, 3000), (2, 0)]);
    mixer.play(PlayId(1), Audience::Conference(ConferenceSid::numbered(1)), clip("announcement: x", 900, 50));
    run(&mut mixer, 50, &[(1, 3000), (2, 0)]);
    mixer.remove(&call(1));
    mixer.play(PlayId(2), Audience::Leg(call(2)), clip("", 0, 25));
    mixer.play(PlayId(3), Audience::Leg(call(2)), clip("comfort audio", 900, 25));
    run(&mut mixer, 50, &[]);
    mixer.hold(&call(2), Some(clip("hold music", 900, 25)));
    run(&mut mixer, 50, &[]);
    // 20 ms for the jitter buffer of the first leg; a change shorter than 160 ms does not count.
    let wanted = [
        (20, "agent"),
        (1000, "agent + announcement: x"),
        (2000, "silence"),
        (2500, "comfort audio"),
        (3000, "hold music"),
    ];
    assert_eq!(transcript(&mixer, 2), wanted);
    assert_eq!(mixer.lines.iter().filter(|(of, _)| *of == call(2)).count(), wanted.len());
}

#[test]
fn a_muted_agent_is_silence_at_once() {
    let mut mixer = Mixer::default();
    (1..=2).for_each(|n| add(&mut mixer, n, 1));
    run(&mut mixer, 50, &[(1, 3000)]);
    mixer.mute(&call(1), true);
    run(&mut mixer, 50, &[(1, 3000)]);
    assert_eq!(transcript(&mixer, 2), [(20, "agent"), (1000, "silence")]);
    assert_eq!(transcript(&mixer, 1), [(0, "silence")], "it never hears itself");
}
