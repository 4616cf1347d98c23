use super::*;
use http::{Request, Response};
use rejoin_protocol::{AccountSid, WorkerSid, WorkspaceSid};
use rejoin_twilio::{Sending, Settings, Transport};
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;

/// What Twilio does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Answer,
    Revoke,
    Fail,
    Wait,
}

#[derive(Debug)]
struct Twilio {
    does: watch::Sender<Does>,
    asked: AtomicUsize,
}

impl Twilio {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Transport for Twilio {
    fn send(&self, request: Request<axum::body::Bytes>) -> Sending<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let mut does = self.does.subscribe();
            let does = *does.wait_for(|does| *does != Does::Wait).await.expect("it is there");
            let is_good = String::from_utf8_lossy(request.body()).contains("good") && does == Does::Answer;
            let answer = serde_json::json!({"valid": is_good, "worker_sid": WorkerSid::numbered(1), "identity": "ada_40example_2Ecom"});
            let status = if does == Does::Fail { 503 } else { 200 };
            Ok(Response::builder().status(status).body(Some(answer.to_string().into())).expect("an answer"))
        })
    }
}

fn tokens() -> (Tokens, Arc<Twilio>) {
    let twilio = Arc::new(Twilio { does: watch::channel(Does::Answer).0, asked: AtomicUsize::new(0) });
    let settings = Settings {
        account: AccountSid::numbered(1),
        auth_token: SecretString::from("secret"),
        workspace: WorkspaceSid::numbered(1),
        base: "http://twilio".into(),
        connect_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
    };
    let client = Client::over(settings, Arc::clone(&twilio) as Arc<dyn Transport>);
    (Tokens::new(client, Surroundings::system()), twilio)
}

fn source(number: u8) -> Option<Source> {
    Some(Source::of([192, 0, 2, number].into()))
}

const BEGIN: Millis = Millis::seconds(1_000_000);

/// Lets background work progress as far as it can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_stays_valid_while_twilio_is_asked_again() {
    let (tokens, twilio) = tokens();
    assert_eq!(tokens.check("good", source(1), BEGIN).await.expect("good").name, "ada@example.com");
    twilio.does.send_replace(Does::Wait);
    let later = BEGIN + Millis::seconds(61);
    for _ in 0..20 {
        assert!(tokens.check("good", source(1), later).await.is_ok(), "nobody waits");
    }
    settle().await;
    assert_eq!(twilio.asked(), 2, "it is asked about once");
    // Twilio says that it is no longer valid: from then on it is refused.
    twilio.does.send_replace(Does::Revoke);
    settle().await;
    assert_eq!(tokens.check("good", source(1), later).await, Err(Problem::TokenRefused));
    assert_eq!(twilio.asked(), 2, "and that is remembered");
}

#[tokio::test(start_paused = true)]
async fn without_answers_of_twilio_a_valid_token_stays_valid_for_a_while() {
    let (tokens, twilio) = tokens();
    assert!(tokens.check("good", source(1), BEGIN).await.is_ok());
    twilio.does.send_replace(Does::Fail);
    for seconds in [61, 100, 301, 1000, 1799] {
        assert!(tokens.check("good", source(1), BEGIN + Millis::seconds(seconds)).await.is_ok(), "{seconds}");
        settle().await;
    }
    let late = BEGIN + Millis::seconds(1800);
    assert_eq!(tokens.check("good", source(1), late).await, Err(Problem::TwilioUnavailable));
    assert!(!tokens.is_unanswered_since(BEGIN), "it was known whose it is");
    assert_eq!(tokens.check("good-new", source(1), late).await, Err(Problem::TwilioUnavailable));
    assert!(tokens.is_unanswered_since(BEGIN));
}

#[tokio::test(start_paused = true)]
async fn guesses_delay_only_their_own_address() {
    let (tokens, twilio) = tokens();
    assert!(tokens.check("good-before", source(9), BEGIN).await.is_ok());
    twilio.does.send_replace(Does::Wait);
    let guesses: Vec<_> = (0..200)
        .map(|number| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.check(&format!("guess{number}"), source(1), BEGIN).await })
        })
        .collect();
    settle().await;
    assert_eq!(twilio.asked(), 1 + NEW_AT_ONCE_OF_ADDRESS);
    // Recently valid tokens, from any address; and new ones of other addresses.
    assert!(tokens.check("good-before", source(1), BEGIN + Millis::seconds(61)).await.is_ok());
    let new: Vec<_> = (10..20)
        .map(|number| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.check(&format!("good{number}"), source(number), BEGIN).await })
        })
        .collect();
    settle().await;
    twilio.does.send_replace(Does::Answer);
    for task in new {
        assert!(task.await.expect("ends").is_ok());
    }
    let mut refused = 0;
    for guess in guesses {
        match guess.await.expect("ends") {
            Err(Problem::TokenRefused) => refused += 1,
            Err(Problem::TooMany { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused < 60 + NEW_AT_ONCE_OF_ADDRESS, "{refused}");
    assert!(matches!(tokens.check("good-late", source(1), BEGIN).await, Err(Problem::TooMany { .. })));
    assert!(tokens.check("good-late", source(2), BEGIN).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn malformed_and_refused_tokens_are_refused_without_asking_twilio() {
    let (tokens, twilio) = tokens();
    let long = "x".repeat(LONGEST + 1);
    for garbage in ["", "=", "two words", "quo\"te", "ümlaut", "nul\0", long.as_str()] {
        assert_eq!(tokens.check(garbage, None, BEGIN).await, Err(Problem::TokenRefused), "{garbage:.10}");
    }
    assert_eq!(twilio.asked(), 0);
    for _ in 0..3 {
        assert_eq!(tokens.check("bad", None, BEGIN).await, Err(Problem::TokenRefused));
    }
    assert_eq!(twilio.asked(), 1);
    assert!(tokens.check("eyJhbGciOiJkaXIifQ..aXY_-.good.dGFn", None, BEGIN).await.is_ok(), "a JWE");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_cached_tokens_is_bounded() {
    let mut known = Known::default();
    let hash = |number: usize| -> Hash { Sha256::digest(number.to_be_bytes()).into() };
    let user = || User { worker: None, name: String::new(), may_see_all: false, expires: None };
    for number in 0..GOOD + 1000 {
        known.is_good(hash(number), user(), BEGIN);
    }
    for number in 0..3 * REFUSED {
        known.is_refused(hash(GOOD + 1000 + number), BEGIN);
    }
    assert_eq!(known.good.len(), GOOD, "guesses take no place of good ones");
    assert!(known.refused.len() <= REFUSED);
    known.is_good(hash(0), user(), BEGIN + STAYS);
    known.is_good(hash(GOOD * 9), user(), BEGIN + STAYS);
    assert_eq!(known.good.len(), 2, "what is old makes room");
}
