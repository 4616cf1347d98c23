//! Frames of twilsock, the socket below Sync and Conversations: `TWILSOCK V3.0 <bytes of the header>\r\n<header,
//! JSON>\r\n<payload>`. The header's `payload_size` counts bytes.

use serde_json::{Value, json};

/// Header and payload of one message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) header: Value,
    /// `None` without a payload. A payload that is not JSON is a JSON string here.
    pub(super) payload: Option<Value>,
}

impl Frame {
    pub(super) fn new(header: Value, payload: Option<Value>) -> Self {
        Self { header, payload }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let payload = self.payload.as_ref().map(Value::to_string).unwrap_or_default();
        let mut header = self.header.clone();
        if let Some(fields) = header.as_object_mut() {
            fields.insert("payload_size".into(), json!(payload.len()));
            if !payload.is_empty() {
                fields.entry("payload_type").or_insert_with(|| json!("application/json"));
            }
        }
        let header = header.to_string();
        format!("TWILSOCK V3.0 {}\r\n{header}\r\n{payload}", header.len()).into_bytes()
    }

    /// Parses a frame; `None` when it is malformed or cut short.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let first = std::str::from_utf8(&bytes[..end]).ok()?;
        let size: usize = first.strip_prefix("TWILSOCK V3.0 ")?.trim().parse().ok()?;
        let rest = &bytes[end + 2..];
        let header: Value = serde_json::from_slice(rest.get(..size)?).ok()?;
        let payload_size = usize::try_from(header["payload_size"].as_u64().unwrap_or(0)).ok()?;
        let payload = if payload_size == 0 {
            None
        } else {
            let start = size.checked_add(2)?;
            let payload = rest.get(start..start.checked_add(payload_size)?)?;
            let text = || Value::String(String::from_utf8_lossy(payload).into_owned());
            Some(serde_json::from_slice(payload).unwrap_or_else(|_| text()))
        };
        Some(Self { header, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_bytes_and_not_characters() {
        let frame = Frame::new(json!({ "id": "ü", "method": "message" }), Some(json!({ "text": "grün" })));
        let bytes = frame.to_bytes();
        let text = String::from_utf8(bytes.clone()).expect("text");
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], format!("TWILSOCK V3.0 {}", lines[1].len()));
        assert_eq!(lines[2], r#"{"text":"grün"}"#);
        let read = Frame::parse(&bytes).expect("a frame");
        assert_eq!(read.header["payload_size"], 16);
        assert_eq!(read.header["payload_type"], "application/json");
        assert_eq!(read.payload, frame.payload);
    }

    #[test]
    fn a_frame_of_the_client_is_parsed() {
        let header = r#"{"method":"init","id":"TM1","payload_size":0}"#;
        let text = format!("TWILSOCK V3.0 {}\r\n{header}\r\n", header.len());
        let frame = Frame::parse(text.as_bytes()).expect("a frame");
        assert_eq!((frame.header["method"].as_str(), frame.payload), (Some("init"), None));
    }

    #[test]
    fn malformed_and_cut_frames_are_refused() {
        let whole = Frame::new(json!({ "id": 1 }), Some(json!([1, 2, 3]))).to_bytes();
        for end in 0..whole.len() {
            assert_eq!(Frame::parse(&whole[..end]), None, "{end}");
        }
        for text in [
            "",
            "TWILSOCK V3.0 x\r\n",
            "TWILSOCK V2.0 2\r\n{}\r\n",
            "TWILSOCK V3.0 99999999999999999999\r\n{}",
        ] {
            assert_eq!(Frame::parse(text.as_bytes()), None, "{text}");
        }
    }
}
