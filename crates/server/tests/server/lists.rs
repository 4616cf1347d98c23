//! Twilio's lists with more than one page, over real HTTP.

use crate::support::*;
use rejoin_protocol::{AccountSid, CallSid, WorkspaceSid};
use rejoin_twilio::{Client, Error, Settings};
use serde_json::{Value, json};
use std::time::Duration;

fn client(twilio: &Twilio) -> Client {
    let settings = Settings {
        account: AccountSid::numbered(1),
        auth_token: AUTH_TOKEN.into(),
        workspace: WorkspaceSid::numbered(1),
        base: twilio.base.clone(),
        connect_timeout: PATIENCE,
        total_timeout: Duration::from_secs(60),
    };
    Client::new(settings).unwrap()
}

fn reservation_json(number: u128) -> Value {
    json!({"sid": rejoin_protocol::ReservationSid::numbered(number), "worker_sid": ada(), "worker_name": "Ada",
           "reservation_status": if number == 249 { "accepted" } else { "timeout" }})
}

/// The reservations of a task, a hundred a page; `next` builds the address of the next page from its query.
fn pages(twilio: &Twilio, next: impl Fn(&str) -> String + Send + Sync + 'static) {
    twilio.script(move |asked, _| {
        (asked.what == format!("GET Tasks/{}/Reservations", task())).then(|| {
            let page: u128 = asked.param("Page").unwrap_or("0").parse().unwrap();
            let items: Vec<_> = (page * 100..(page * 100 + 100).min(250)).map(reservation_json).collect();
            let next =
                (page < 2).then(|| next(&format!("PageSize=100&Page={}&PageToken=PT{page}", page + 1)));
            let meta = json!({"key": "reservations", "next_page_url": next});
            (200, vec![], json!({"reservations": items, "meta": meta}))
        })
    });
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let path = format!("/v1/Workspaces/{}/Tasks/{}/Reservations", WorkspaceSid::numbered(1), task());
    let twilio = Twilio::start().await;
    let base = format!("{}/taskrouter.twilio.com", twilio.base);
    for host in ["https://taskrouter.twilio.com".to_owned(), base, String::new()] {
        let (host, path) = (host.clone(), path.clone());
        pages(&twilio, move |query| format!("{host}{path}?{query}"));
        let found = client(&twilio).list_reservations(&task()).await.unwrap();
        assert_eq!(found.len(), 250);
        assert!(found.iter().any(|found| found.reservation_status == "accepted"), "on the last page");
    }
    assert_eq!(twilio.all().len(), 9, "three pages, three times");
}

/// A sender who can forge an answer must neither get our credentials, nor choose other requests with them.
#[tokio::test]
async fn the_next_page_must_be_at_twilio_and_of_the_same_list() {
    let elsewhere = Twilio::start().await;
    let twilio = Twilio::start().await;
    let path = format!("/v1/Workspaces/{}/Tasks/{}/Reservations", WorkspaceSid::numbered(1), task());
    let others = [
        format!("{}/taskrouter.twilio.com{path}", elsewhere.base),
        format!("https://taskrouter.twilio.com.example.com{path}"),
        format!("https://taskrouter.twilio.com@127.0.0.1{path}"),
        format!("//127.0.0.1{path}"),
        format!("https://taskrouter.twilio.com/v1/Workspaces/{}/Workers", WorkspaceSid::numbered(1)),
        format!("https://api.twilio.com{path}"),
        format!("https://taskrouter.twilio.com{path}/../../Workers"),
    ];
    for (at, next) in others.into_iter().enumerate() {
        pages(&twilio, move |query| format!("{next}?{query}"));
        let found = client(&twilio).list_reservations(&task()).await;
        assert_eq!(found, Err(Error::Unreadable { may_have_acted: false }));
        assert_eq!(twilio.all().len(), at + 1, "the first page alone");
    }
    assert!(elsewhere.all().is_empty());
}

#[tokio::test]
async fn an_endless_list_is_given_up() {
    let twilio = Twilio::start().await;
    let path = format!("/v1/Workspaces/{}/Tasks/{}/Reservations", WorkspaceSid::numbered(1), task());
    pages(&twilio, move |_| format!("https://taskrouter.twilio.com{path}?PageSize=100"));
    let found = client(&twilio).list_reservations(&task()).await;
    assert_eq!(found, Err(Error::Unreadable { may_have_acted: false }));
    assert_eq!(twilio.all().len(), 20);
}

#[tokio::test]
async fn participants_beyond_the_first_page_are_seen() {
    let twilio = Twilio::start().await;
    twilio.script(|asked, _| {
        let one = |leg: CallSid| json!({"call_sid": leg, "hold": false, "muted": false, "end_conference_on_exit": false});
        let path = format!("Conferences/{}/Participants.json", conference());
        (asked.what == format!("GET {path}")).then(|| {
            let next = format!("/2010-04-01/Accounts/{}/{path}?PageSize=50&Page=1", AccountSid::numbered(1));
            let (leg, next) = if asked.param("Page").is_none() { (customer(), Some(next)) } else { (ada_leg(), None) };
            (200, vec![], json!({"participants": [one(leg)], "next_page_uri": next}))
        })
    });
    let found = client(&twilio).list_participants(&conference()).await.unwrap();
    assert_eq!(found.len(), 2);
}

/// With the longest attributes that a task and a worker can have, and every character in them escaped twice.
#[tokio::test]
async fn a_page_of_the_log_with_real_event_data_is_read() {
    let twilio = Twilio::start().await;
    twilio.script(|asked, _| {
        (asked.what == "GET Events").then(|| {
            let attributes = "\\\"".repeat(2048);
            let data = json!({"task_attributes": attributes, "worker_attributes": attributes}).to_string();
            let event = json!({"event_type": "reservation.accepted", "event_date_ms": 1, "resource_sid": "WR", "event_data": data});
            let size: usize = asked.param("PageSize").unwrap().parse().unwrap();
            (200, vec![], json!({"events": vec![event; size], "meta": {"next_page_url": null}}))
        })
    });
    let found = client(&twilio).list_events(&task()).await.unwrap();
    assert_eq!(found.len(), 50);
}
