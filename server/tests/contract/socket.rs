//! `docs/api/asyncapi.json`: the socket, as AsyncAPI 3.0.

use engawa::protocol::{ClientFrame, SUBPROTOCOL, ServerFrame};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::golden::{Example, Examples, golden};
use super::{committed, schemas};

/// One direction: its messages and schemas, added to the document; gives the references to its messages.
fn direction<T: ToSchema>(
    prefix: &str,
    examples: &Examples,
    messages: &mut Map<String, Value>,
    all: &mut Map<String, Value>,
) -> Vec<String> {
    let root = T::name().into_owned();
    let mut by_name = schemas::of::<T>();
    let frames = by_name.remove(&root).expect("the frames are there");
    let mut names = Vec::new();
    let mut choices = Vec::new();
    for choice in schemas::list(&frames, "oneOf") {
        let kind = schemas::tag(choice).expect("every frame has a type");
        let name = format!("{prefix}.{kind}");
        let mut message = json!({
            "name": kind,
            "payload": { "$ref": format!("#/components/schemas/{name}") },
            "examples": examples
                .iter()
                .filter(|example| example.frame["type"] == kind)
                .map(|Example { name, frame }| json!({ "name": name, "payload": frame }))
                .collect::<Vec<_>>(),
        });
        if let Some(words) = choice.get("description") {
            message["summary"] = words.clone();
        }
        choices.push(json!({ "$ref": format!("#/components/schemas/{name}") }));
        all.insert(name.clone(), choice.clone());
        messages.insert(name.clone(), message);
        names.push(name);
    }
    all.insert(
        root,
        json!({ "description": frames["description"], "oneOf": choices }),
    );
    all.extend(by_name);
    names
}

fn references(names: &[String]) -> Vec<Value> {
    names
        .iter()
        .map(|name| json!({ "$ref": format!("#/channels/socket/messages/{name}") }))
        .collect()
}

#[test]
fn the_description_of_the_socket_is_that_of_the_code() {
    let golden = golden();
    let mut messages = Map::new();
    let mut all = Map::new();
    let client = direction::<ClientFrame>("client", &golden.client, &mut messages, &mut all);
    let server = direction::<ServerFrame>("server", &golden.server, &mut messages, &mut all);
    let in_channel: Map<String, Value> = messages
        .keys()
        .map(|name| {
            (
                name.clone(),
                json!({ "$ref": format!("#/components/messages/{name}") }),
            )
        })
        .collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Engawa: the socket",
            "version": "1",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            "description": "One socket a tab; rooms are entered on it. Text frames, one JSON object each, tagged by \
                `type`. A field that is not required may be left out; it is then absent, never null. Unknown fields \
                are ignored, both ways. Times are RFC 3339 in UTC with milliseconds and Z. The upgrade needs the \
                session cookie and the page's own Origin: 401 without a session, 403 for a wrong or missing origin, \
                400 without the subprotocol, 429 over the socket limit.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": "{host}",
                "protocol": "wss",
                "description": "The instance; ws on loopback, as in demo.",
                "variables": { "host": { "description": "Its public host." } },
            }
        },
        "channels": {
            "socket": {
                "address": "/ws",
                "servers": [{ "$ref": "#/servers/here" }],
                "messages": in_channel,
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "required": ["Sec-WebSocket-Protocol", "Origin", "Cookie"],
                            "properties": {
                                "Sec-WebSocket-Protocol": { "type": "string", "const": SUBPROTOCOL },
                                "Origin": { "type": "string" },
                                "Cookie": { "type": "string" },
                            },
                        },
                    }
                },
            }
        },
        "operations": {
            "fromClient": {
                "action": "receive",
                "summary": "What a client may send.",
                "channel": { "$ref": "#/channels/socket" },
                "messages": references(&client),
            },
            "toClient": {
                "action": "send",
                "summary": "What a client gets.",
                "channel": { "$ref": "#/channels/socket" },
                "messages": references(&server),
            },
        },
        "components": { "messages": messages, "schemas": all },
    });
    committed::assert_whole(&document);
    committed::assert_same("docs/api/asyncapi.json", &committed::pretty(&document));
}
