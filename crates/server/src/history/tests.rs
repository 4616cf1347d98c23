use super::asked::minute;
use super::*;
use proptest::prelude::*;

const NOW: Millis = Millis(1_795_707_600_000 - 1_795_707_600_000 % 3_600_000 + 60_000);

fn asked(query: &str) -> (Asked, Vec<Mistake>) {
    Asked::of(&rejoin_twilio::webhook::form(query.as_bytes()), NOW)
}

#[test]
fn the_address_of_a_view_leads_to_the_same_view() {
    let sids = "workflow=WW00000000000000000000000000000001&queue=WQ00000000000000000000000000000002\
                &agent=WK00000000000000000000000000000003&rung=in-place&outcome=rejoined";
    for query in [
        "last=1d".to_owned(),
        "last=90d&rung=covered".to_owned(),
        format!("from=2026-11-20T10:00&to=2026-11-21T09:00&{sids}"),
        format!("from=2026-11-01T00:00&to=2026-12-01T00:00&{sids}"),
    ] {
        let (first, mistakes) = asked(&query);
        assert_eq!((first.query(), mistakes), (query.clone(), vec![]));
        assert_eq!(asked(&first.query()), (first, vec![]), "{query}");
    }
}

#[test]
fn a_range_is_whole_hours_and_beyond_three_days_whole_days() {
    let range = |query: &str| {
        let (asked, mistakes) = asked(query);
        assert_eq!(mistakes, [], "{query}");
        let (from, to) = asked.range.times();
        (minute(from), minute(to), asked.range.span)
    };
    let of = |from: &str, to: &str, span| (from.to_owned(), to.to_owned(), span);
    assert_eq!(
        range("from=2026-11-20T10:30&to=2026-11-20T11:10"),
        of("2026-11-20T10:00", "2026-11-20T12:00", 1)
    );
    assert_eq!(range("from=2026-11-20&to=2026-11-20"), of("2026-11-20T00:00", "2026-11-21T00:00", 1));
    assert_eq!(
        range("from=2026-11-20T10:30&to=2026-11-24T11:10"),
        of("2026-11-20T00:00", "2026-11-25T00:00", 24)
    );
    assert_eq!(range("last=7d").2, 24);
    assert_eq!(range("").2, 24, "seven days are usual");
}

#[test]
fn a_month_is_all_of_its_days() {
    let days = |text: &str| {
        let (from, to) = Asked::month(text).expect(text).range.times();
        (minute(from), minute(to))
    };
    let of = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(days("2026-11"), of("2026-11-01T00:00", "2026-12-01T00:00"));
    assert_eq!(days("2026-12"), of("2026-12-01T00:00", "2027-01-01T00:00"));
    assert_eq!(days("2028-02"), of("2028-02-01T00:00", "2028-03-01T00:00"));
    for text in ["", "2026", "2026-00", "2026-13", "2026-11-01", "1969-12", "10000-01", "2026-1a", "<b>-01"] {
        assert_eq!(Asked::month(text), None, "{text}");
    }
}

#[test]
fn what_there_cannot_be_is_left_out_and_named() {
    let (usual, _) = asked("");
    for (query, mistake) in [
        ("from=2026-11-20&to=2026-11-19", Mistake::Range),
        ("from=2026-02-30&to=2026-03-02", Mistake::Range),
        ("from=2020-01-01&to=2026-01-01", Mistake::Range),
        ("from=99999-01-01&to=2026-01-01", Mistake::Range),
        ("from=2026-11-20T25:00&to=2026-11-22", Mistake::Range),
        ("to=2026-11-20", Mistake::Range),
        ("from=x", Mistake::Range),
        ("last=31d", Mistake::Range),
        ("from=0000-00-00", Mistake::Range),
        ("workflow=WQ00000000000000000000000000000002", Mistake::Filter),
        ("agent=Ada", Mistake::Filter),
        ("rung=first&outcome=%22%3E%3Cscript%3E", Mistake::Filter),
    ] {
        assert_eq!(asked(query), (usual.clone(), vec![mistake]), "{query}");
    }
    assert_eq!(asked("workflow=&queue=&agent=&rung=&outcome=&from=&to=&last="), (usual, vec![]));
}

#[test]
fn rung_and_first_sound_are_those_between_loss_and_end() {
    let ended = r#"{"what":"ended","outcome":"handed-over","after":9000}"#;
    let about = About { worker: "WK1".into(), ..About::default() };
    let line = |at, note| (Millis(at), note);
    let lines = [
        // An earlier recovery of the same call.
        line(1_000, Note::HoldingTheLine),
        line(1_500, Note::Requeueing { same_agent: false, because: None }),
        line(11_000, Note::AgentLost { by: None }),
        line(11_700, Note::HoldingTheLine),
        line(12_000, Note::JoiningInPlace),
        line(14_000, Note::Requeueing { same_agent: true, because: None }),
        line(14_500, Note::Queued),
        // And a later one.
        line(21_000, Note::Requeueing { same_agent: false, because: None }),
    ];
    let about = serde_json::to_string(&about).expect("JSON");
    let found = Recovered::of(Millis(20_000), ended, Some(&about), &lines, &[]).expect("it is readable");
    assert_eq!((found.rung.as_str(), found.heard), ("same-agent", Some(Millis(700))));
    // The soft tone was before the announcement; one of another recovery does not count.
    let sounds = [1_000, 11_050, 11_700, 21_000].map(Millis);
    let toned = Recovered::of(Millis(20_000), ended, Some(&about), &lines, &sounds).expect("it is readable");
    assert_eq!(toned.heard, Some(Millis(50)));
    assert_eq!((found.meaning(), found.about.worker.as_str()), (Meaning::Any, "WK1"));
    // What an older version has written, and what a newer one may write.
    let old = Recovered::of(Millis(20_000), ended, None, &[], &[]).expect("it is readable");
    assert_eq!((old.about, old.rung.as_str(), old.heard), (About::default(), "none", None));
    let new = r#"{"what":"ended","outcome":"sent-home","after":1}"#;
    let new = Recovered::of(Millis(1), new, Some("{\"more\":1}"), &[], &[]).expect("it is readable");
    assert_eq!((new.outcome.as_str(), new.meaning()), ("other", Meaning::Lost));
    assert_eq!(Recovered::of(Millis(1), r#"{"what":"ended"}"#, None, &[], &[]), None);
}

#[test]
fn the_absence_of_a_covered_agent_left_no_customer_alone() {
    let about = serde_json::to_string(&About { is_covered: true, ..About::default() }).expect("JSON");
    let ended = r#"{"what":"ended","outcome":"covered","after":9000}"#;
    let lines = [(Millis(15_000), Note::HoldingTheLine)];
    let found = Recovered::of(Millis(20_000), ended, Some(&about), &lines, &[]).expect("it is readable");
    assert_eq!((found.rung.as_str(), found.meaning(), found.heard), ("covered", Meaning::Unneeded, None));
    assert_eq!(Cell::of(&found, 24).voice.count(), 0);
}

#[test]
fn all_outcomes_of_the_machine_are_known() {
    let known: Vec<_> = OUTCOMES.into_iter().filter(|name| *name != "other").collect();
    let mut names = Ending::NAMES.to_vec();
    names.sort_unstable();
    let mut sorted = known;
    sorted.sort_unstable();
    assert_eq!(sorted, names);
    assert_eq!(kebab("NobodyTookIt"), "nobody-took-it");
}

#[test]
fn hellos_that_could_not_be_written_are_added_to_those_since() {
    let hellos = Hellos::default();
    hellos.count(Millis(1), "1.0.0");
    let taken = hellos.take();
    hellos.count(Millis(2), "1.0.0");
    hellos.put_back(taken);
    assert_eq!(hellos.take(), BTreeMap::from([((0, "1.0.0".to_owned()), 2)]));
    for number in 0..1000 {
        hellos.count(Millis(1), &number.to_string());
    }
    assert_eq!(hellos.take().len(), HELLOS);
}

proptest! {
    #[test]
    fn each_minute_has_one_name(at in 0u64..4_000_000_000) {
        let at = Millis(at * 60_000);
        let query = format!("from={}&to={}", minute(at), minute(at + Millis(60_000)));
        let (asked, mistakes) = asked(&query);
        prop_assert_eq!(mistakes, vec![]);
        prop_assert_eq!(asked.range.from, at.0 / HOUR.0);
    }

    #[test]
    fn any_query_leads_to_a_view(query in "\\PC{0,200}") {
        let (first, _) = asked(&query);
        prop_assert_eq!(asked(&first.query()), (first, vec![]));
    }

    #[test]
    fn distributions_merge_and_their_shares_are_bounds(
        first in prop::collection::vec(0u64..1_000_000, 0..50), second in prop::collection::vec(0u64..1_000_000, 1..50)
    ) {
        let of = |times: &[u64]| {
            let mut histogram = Histogram::default();
            times.iter().for_each(|time| histogram.add(Millis(*time)));
            histogram
        };
        let mut sum = of(&first);
        sum += of(&second);
        let mut all = [first, second].concat();
        prop_assert_eq!(sum, of(&all));
        all.sort_unstable();
        for hundredths in [1, 50, 90, 99, 100] {
            let last = all[(all.len() * hundredths).div_ceil(100) - 1];
            let bound = sum.share(hundredths as u64).expect("there are some");
            prop_assert!(bound.is_none_or(|bound| last <= bound.0), "{last} is not within {bound:?}");
            prop_assert_eq!(Histogram::bucket(Millis(last)), bound.map_or(BUCKETS_LAST, Histogram::bucket));
        }
    }
}

const BUCKETS_LAST: usize = sums::BUCKETS - 1;
