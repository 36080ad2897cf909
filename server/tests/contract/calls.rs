//! `docs/api/openapi.json`: the HTTP calls, as OpenAPI 3.1, from the annotations beside the handlers.

use engawa::edge::{identity_api, rooms_api};
use serde_json::{Map, Value, json};

use super::{committed, schemas};

/// The schema of a problem document.
const PROBLEM: &str = "#/components/schemas/Document";

/// What holds for every call, written into each: problems have their own media type, `too_fast` and `busy` say when to
/// come again, a call that needs a session says so.
fn finish(operation: &mut Map<String, Value>, changes: bool) {
    // The crate's own grouping by module says nothing to a reader.
    operation.remove("tags");
    let Some(Value::Object(responses)) = operation.get_mut("responses") else {
        panic!("an operation without answers");
    };
    let needs_session = responses
        .get("401")
        .and_then(|response| response["description"].as_str())
        .is_some_and(|words| words.starts_with("no_session"));
    if changes {
        let refused = "wrong_origin, where a browser sends it from another site";
        responses
            .entry("403")
            .and_modify(|response| {
                let words = response["description"].as_str().unwrap_or("").to_owned();
                response["description"] = Value::from(format!("{words}; {refused}"));
            })
            .or_insert_with(|| {
                json!({ "description": refused,
                    "content": { "application/json": { "schema": { "$ref": PROBLEM } } } })
            });
    }
    for (status, response) in responses.iter_mut() {
        if let Some(Value::Object(content)) = response.get_mut("content")
            && content
                .get("application/json")
                .is_some_and(|json| json["schema"]["$ref"] == PROBLEM)
            && let Some(problem) = content.remove("application/json")
        {
            content.insert("application/problem+json".into(), problem);
        }
        if matches!(status.as_str(), "429" | "503") {
            response["headers"] = json!({ "Retry-After": {
                "description": "Seconds until it is worth another try.",
                "schema": { "type": "integer" } } });
        }
    }
    if needs_session {
        operation.insert(
            "security".into(),
            json!([{ "session": [] }, { "session_on_loopback": [] }]),
        );
    }
}

/// A call that has no body of ours: alive, able to serve.
fn health(summary: &str, when_not: bool) -> Value {
    let mut responses = json!({ "200": {
        "description": "ok",
        "content": { "text/plain": { "schema": { "type": "string", "const": "ok\n" } } } } });
    if when_not {
        responses["503"] = json!({
            "description": "busy: the database or the key store does not answer, or the node is going away",
            "content": { "application/problem+json": { "schema": { "$ref": PROBLEM } } } });
    }
    json!({ "get": { "summary": summary, "responses": responses } })
}

#[test]
fn the_description_of_the_calls_is_that_of_the_code() {
    let api = identity_api::people()
        .merge(identity_api::staff())
        .merge(rooms_api::routes())
        .into_openapi();
    let mut document = serde_json::to_value(&api).expect("a description is JSON");
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Engawa: the calls",
        "version": "1",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        "description": "JSON over HTTP/1.1. A field that is not required may be left out; unknown fields of a body are \
            ignored. Errors are RFC 9457 problem documents with a stable `code`. The cookie is opaque: __Host-engawa \
            where the public address is https, else engawa. A state-changing call that a browser sends from another \
            site is 403 wrong_origin. What people talk with is the socket: asyncapi.json.",
    });
    document
        .as_object_mut()
        .expect("an object")
        .remove("servers");
    if let Some(Value::Object(by_name)) = document.pointer_mut("/components/schemas") {
        schemas::never_null(by_name);
    }
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": "__Host-engawa" },
        "session_on_loopback": { "type": "apiKey", "in": "cookie", "name": "engawa" },
    });
    let Some(Value::Object(paths)) = document.get_mut("paths") else {
        panic!("no paths");
    };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        for (method, operation) in operations {
            let operation = operation
                .as_object_mut()
                .expect("an operation is an object");
            finish(operation, method != "get");
        }
    }
    paths.insert("/healthz".into(), health("Alive.", false));
    paths.insert("/readyz".into(), health("Able to serve.", true));
    committed::assert_whole(&document);
    committed::assert_same("docs/api/openapi.json", &committed::pretty(&document));

    // Every call of the contract that is built is described.
    for (method, path) in [
        ("post", "/api/v1/handles"),
        ("post", "/api/v1/handles/recover"),
        ("post", "/api/v1/me/recovery"),
        ("post", "/api/v1/staff/login"),
        ("get", "/api/v1/me"),
        ("delete", "/api/v1/me"),
        ("delete", "/api/v1/sessions"),
        ("get", "/api/v1/gatherings"),
    ] {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path} is not described"
        );
    }
}
