//! The OpenAPI document of the plugin's interface.

use crate::support::*;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn the_document_in_docs_matches_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = serde_json::to_string_pretty(&rejoin_server::http::document()).unwrap() + "\n";
    if std::env::var_os("REJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/openapi.json is out of date: run this test with REJOIN_WRITE_DOCS=1");
}

#[tokio::test]
async fn the_document_is_served_and_its_paths_exist() {
    let world = World::start().await;
    let reply = world.desk.http.get(format!("{}/openapi.json", world.desk.address)).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let document: Value = reply.json().await.unwrap();
    assert_eq!(document, serde_json::to_value(rejoin_server::http::document()).unwrap());
    // Each path exists: an unknown address answers 404, with any method.
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let url =
                format!("{}{}", world.desk.address, path.replace("{conference}", conference().as_str()));
            let status = world.desk.http.request(method, url).send().await.unwrap().status();
            let is_for_all = path == "/v1/ready";
            assert!(status == 401 || status == 400 || is_for_all && status == 204, "{path}: {status}");
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let refs = document.to_string();
    for name in refs.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    let codes = schemas["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert!(codes.contains(&json!("not-your-call")) && codes.len() == 19, "{codes:?}");
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/server.md")).unwrap();
    for code in codes {
        let code = format!("`{}`", code.as_str().unwrap());
        assert!(text.contains(&code), "docs/server.md does not name {code}");
    }
    assert_eq!(schemas["TaskSid"]["pattern"], "^WT[0-9a-fA-F]{32}$");
}
