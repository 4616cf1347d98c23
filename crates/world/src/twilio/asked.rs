//! Requests of our server at Twilio's API, and their faults.

use crate::coming::{Coming, RestAnswer};
use crate::coverage::Sign;
use crate::net::Way;
use crate::plan::FaultKind;
use crate::timeline::{Kind, Lane};
use crate::world::World;
use axum::http;
use bytes::Bytes;
use rejoin_twilio::Unanswered;
use rejoin_twin::rest::carry_out;

impl World {
    /// Carries out a request a second time, for a planted defect.
    pub(crate) fn doubled(&mut self, request: &http::Request<Bytes>) {
        self.before_change(request);
        let now = self.wall();
        let (said, effects) = carry_out(&mut self.twilio.model, &self.twilio.owner, now, request);
        if said.status().is_success() {
            self.changed(request, &said);
        }
        for effect in effects {
            self.twilio_does(effect);
        }
    }

    /// Our server sends a request: decides its fate.
    pub(crate) fn rest_sent(&mut self, number: usize, mut request: http::Request<Bytes>, answer: RestAnswer) {
        self.planted_request(&mut request);
        let mut chance = self.chance(Way::Rest, 2 * lane_of(&request));
        let after = Self::latency(&mut chance);
        self.put(after, Coming::Rest(number, request, answer));
    }

    /// The request has arrived at Twilio.
    pub(crate) fn rest_arrives(&mut self, number: usize, request: &http::Request<Bytes>, answer: RestAnswer) {
        let mut chance = self.chance(Way::Rest, 2 * lane_of(request) + 1);
        let after = Self::latency(&mut chance);
        let reads = request.method() == http::Method::GET;
        let mut wrong = None;
        for kind in [
            FaultKind::Throttled,
            FaultKind::Broken,
            FaultKind::BrokenDone,
            FaultKind::Silent,
            FaultKind::SilentDone,
        ] {
            if wrong.is_none() && self.goes_wrong(&mut chance, kind) {
                wrong = Some(kind);
            }
        }
        self.note(Lane::Server(number), Some(Lane::Twilio), Kind::Request, || {
            let what = format!("{} {}", request.method(), resource(request.uri().path()));
            let body = String::from_utf8_lossy(request.body());
            let body: String =
                body.split('&').filter(|pair| !pair.starts_with("Attributes=")).collect::<Vec<_>>().join("&");
            match wrong {
                Some(kind) => format!("{what} {body} ({})", kind.name()),
                None => format!("{what} {body}"),
            }
        });
        if self.planted.is_some_and(|planted| planted.swallows(request)) {
            let done = http::Response::new(Some(Bytes::from_static(b"{}")));
            return self.put(after, Coming::RestAnswered(answer, Ok(done)));
        }
        if self.planted.is_some_and(|planted| planted.doubles(request)) {
            let copy = copied(request);
            self.doubled(&copy);
        }
        let now = self.wall();
        let applied = !matches!(wrong, Some(FaultKind::Throttled | FaultKind::Broken | FaultKind::Silent));
        let mut response = None;
        if !applied || (reads && wrong.is_some()) {
            self.flag_stays(request);
        }
        if applied {
            if !reads {
                self.before_change(request);
            }
            let (said, effects) = carry_out(&mut self.twilio.model, &self.twilio.owner, now, request);
            let ok = said.status().is_success();
            if !reads && ok {
                self.changed(request, &said);
            }
            if said.status() == http::StatusCode::PRECONDITION_FAILED {
                self.coverage.sign(Sign::ChangedMeanwhile);
            }
            self.note(Lane::Twilio, Some(Lane::Server(number)), Kind::Answer, || {
                if ok {
                    said.status().as_u16().to_string()
                } else {
                    String::from_utf8_lossy(said.body()).into_owned()
                }
            });
            for effect in effects {
                self.twilio_does(effect);
            }
            response = Some(said);
        }
        let error = |status: u16, code: u32| {
            let body =
                format!("{{\"code\":{code},\"message\":\"a fault\",\"more_info\":\"\",\"status\":{status}}}");
            http::Response::builder()
                .status(status)
                .body(Some(Bytes::from(body)))
                .map_err(|_| Unanswered::CutOff)
        };
        let result = match (wrong, response) {
            (Some(FaultKind::Throttled), _) => error(429, 20429),
            (Some(FaultKind::Broken), _) => error(500, 20500),
            (Some(FaultKind::BrokenDone), _) => error(503, 20503),
            // No answer comes: the server's own timeout ends it.
            (Some(FaultKind::Silent | FaultKind::SilentDone), _) => {
                self.unanswered.push(answer);
                return;
            }
            (_, Some(said)) => Ok(said.map(Some)),
            (_, None) => Err(Unanswered::CutOff),
        };
        self.put(after, Coming::RestAnswered(answer, result));
    }
}

pub(crate) fn copied(request: &http::Request<Bytes>) -> http::Request<Bytes> {
    let mut copy = http::Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The path without the part that all requests share.
fn resource(path: &str) -> String {
    let path = path.trim_end_matches(".json");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).skip(5).collect();
    parts.join("/")
}

/// Requests about call messages have a lane of their own, so that they do not change what becomes of the others.
fn lane_of(request: &http::Request<Bytes>) -> usize {
    usize::from(request.uri().path().contains("/UserDefinedMessage"))
}
