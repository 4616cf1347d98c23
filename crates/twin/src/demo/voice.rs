//! The document of the demo's number, and the waiting music.

use super::Demo;
use crate::{flex::wav_file, media::hold_music};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use rejoin_protocol::{
    WorkflowSid,
    overrides::{self, with_overrides},
};

/// How often the melody is in the file: about twenty seconds.
const ROUNDS: usize = 8;

pub(super) fn routes() -> Router<Demo> {
    let music = music();
    Router::new()
        .route("/demo/voice", get(voice).post(voice))
        .route("/demo/wait", get(wait).post(wait))
        .route(
            "/demo/hold.wav",
            get(async move || ([(header::CONTENT_TYPE, "audio/wav")], music.clone()).into_response()),
        )
}

/// Into the queue for everybody. The Rejoin server decides what comes after it.
async fn voice(State(demo): State<Demo>) -> Response {
    let config = demo.twin.config();
    let workflow = WorkflowSid::numbered(1);
    let wait = escaped(&format!("{}/demo/wait", config.public_url));
    let task = escaped(r#"{"name":"Demo caller","type":"inbound"}"#);
    let server = config.server_url.as_deref();
    let action = server.map(|server| {
        format!(
            r#" action="{}""#,
            escaped(&with_overrides(&format!("{server}/twiml/ended"), overrides::TWIML))
        )
    });
    let action = action.unwrap_or_default();
    twiml(&format!(
        r#"<Enqueue workflowSid="{workflow}" waitUrl="{wait}"{action}><Task>{task}</Task></Enqueue>"#
    ))
}

async fn wait(State(demo): State<Demo>) -> Response {
    let music = escaped(&format!("{}/demo/hold.wav", demo.twin.config().public_url));
    twiml(&format!(r#"<Say>Please wait, an agent will be with you.</Say><Play loop="0">{music}</Play>"#))
}

fn twiml(verbs: &str) -> Response {
    let document = format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>"#);
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], document).into_response()
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn music() -> Bytes {
    let melody = hold_music().samples;
    wav_file(&std::iter::repeat_n(&*melody, ROUNDS).collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_side_can_play_the_waiting_music() {
        let clip = crate::media::wav(&music(), "hold audio").expect("a WAV file");
        assert_eq!(clip.samples.len(), ROUNDS * hold_music().samples.len());
    }

    #[test]
    fn json_survives_in_xml() {
        assert_eq!(escaped(r#"{"a":"<&"}"#), "{&quot;a&quot;:&quot;&lt;&amp;&quot;}");
    }
}
